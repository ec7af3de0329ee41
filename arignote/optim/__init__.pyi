"""How the network learns: updaters, rules and losses, declared."""

from arignote.optim.losses import Loss
from arignote.optim.rules import Rule, RuleState
from arignote.optim.stopping import StopRule
from arignote.optim.updaters import Updater

__all__ = ["Loss", "Rule", "RuleState", "StopRule", "Updater"]
