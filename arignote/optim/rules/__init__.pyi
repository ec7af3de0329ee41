"""Rules: how the learning rate and the momentum change while training."""

from arignote.optim.rules.absolute import Absolute
from arignote.optim.rules.annealer import Annealer
from arignote.optim.rules.base import ConstantRule, Position, Rule, RuleState, RuleValues, rule_of_number
from arignote.optim.rules.cycles import Cosine, OneCycle
from arignote.optim.rules.decays import Exponential, Inverse, LinearRule, Step
from arignote.optim.rules.stepped import Fixed, Stalled
from arignote.optim.rules.warmup import Warmup

__all__ = [
    "Absolute",
    "Annealer",
    "ConstantRule",
    "Cosine",
    "Exponential",
    "Fixed",
    "Inverse",
    "LinearRule",
    "OneCycle",
    "Position",
    "Rule",
    "RuleState",
    "RuleValues",
    "Stalled",
    "Step",
    "Warmup",
    "rule_of_number",
]
