"""Settings of `fit` about learning: updater, rules, losses, validation."""

from __future__ import annotations

from math import inf
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from arignote.errors import Complaint, ConfigError
from arignote.hints.corrections import correction_of
from arignote.optim.averages import Average
from arignote.optim.losses import METRIC_SCHEMA, Loss, near_metric, to_score
from arignote.optim.pretraining import PretrainingField
from arignote.optim.rules import Rule, rule_of_number
from arignote.optim.stopping import StopRule
from arignote.optim.updaters import Updater
from arignote.registry import (
    ADDED,
    ByNameField,
    Count,
    MappingField,
    Mark,
    PartField,
    PartsField,
    Positive,
    names,
    part_name,
)

__all__ = ["LearningSettings"]


def _to_loss(value: Any) -> Any:
    spec = to_score(value)
    # `to_score` returns what is no metric as it is.
    if spec is value and (near := near_metric(value)):
        raise ValueError(f"unknown loss or metric {value!r}. Did you mean {near!r}?")
    return spec


def _trainable(loss: Loss) -> Loss:
    if not loss.differentiable:
        fitting = {part_name(cls) for cls in names("loss").values() if _can_replace(cls, loss)}
        hint = "Use " + " or ".join(map(repr, sorted(fitting)))
        raise ValueError(f"{loss.named()!r} cannot be trained on: it has no gradient. {hint}")
    return loss


def _can_replace(cls: Any, loss: Loss) -> bool:
    return cls.differentiable and any(loss.fits(target) for target in cls.targets)


def _rule_field(below: float = inf) -> PartField:
    """Return the annotation of "a rule, or a number": initial and final values are in [0, below)."""
    bounds = "must be a finite number >= 0" if below == inf else f"must be a number >= 0 and < {below}"

    def to_spec(value: Any) -> Any:
        if isinstance(value, str) and (hint := correction_of("a number", value)):
            raise ValueError(f"must be a number, or a rule; got {value!r}{hint}")
        # By type, as a bool is an int.
        if type(value) in (int, float) and not 0 <= value < below:
            raise ValueError(f"{bounds}; got {value}")
        return rule_of_number(value)

    def bounded(rule: Rule) -> Rule:
        wrong = [(path, value) for path, value in rule.given_values() if not 0 <= value < below]
        if wrong:
            words = [next(word for word in reversed(path) if isinstance(word, str)) for path, _ in wrong]
            raise ConfigError(
                Complaint(path, f"{word} {bounds}; got {value}")
                for word, (path, value) in zip(words, wrong, strict=True)
            )
        return rule

    bound = {"minimum": 0} | ({} if below == inf else {"exclusiveMaximum": below})
    values = {"patternProperties": {"^(initial|middle|final)_value$": bound}}
    return PartField("rule", to_spec, bounded, bound | {"type": "number"}, params_schema=values)


def _monitored(value: Any) -> Any:
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
    names = () if names is None else names
    if isinstance(names, tuple) and (twice := next((name for name in names if names.count(name) > 1), None)):
        raise ValueError(f"monitor names {twice!r} twice")
    return names


TrainLoss = Annotated[
    Loss | dict[str, Loss] | None, ByNameField(PartField("loss", _to_loss, _trainable, is_short=True))
]
Losses = Annotated[
    tuple[Loss, ...] | dict[str, tuple[Loss, ...]] | None,
    ByNameField(PartsField("loss", _to_loss, shorthand_schema=METRIC_SCHEMA, is_short=True)),
]


class LearningSettings(BaseModel):
    """Settings of how the network learns."""

    kind: ClassVar[str] = "fit"
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    # FREE: a run may be resumed with another number.
    n_epochs: Annotated[int, Field(ge=0), Mark.FREE] = Field(50, description="Number of epochs in all.")
    final_epochs: Annotated[int, Field(ge=0), Mark.FREE] = Field(
        0,
        description="Number of the last epochs that train on the rows of train, valid and test together, from the best "
        "network on; the last network is the result then.",
    )
    sgd_type: Annotated[Updater, PartField("updater")] = Field(
        "adadelta", validate_default=True, description="Updater: a name or ``[name, {params}]``."
    )
    lr_rule: Annotated[Rule | None, _rule_field()] = Field(None, description="Rule of the learning rate, or a number.")
    # With a momentum of 1 no gradient would ever be forgotten.
    momentum_rule: Annotated[Rule | None, _rule_field(below=1)] = Field(
        None, description="Rule of the momentum, or a number; it drives rho of rmsprop and adadelta."
    )
    rules: Annotated[
        dict[str, Rule] | None,
        # ``--set fit.rules.fc1.l2=...`` writes them by layer, then by parameter.
        MappingField(PartField("rule", rule_of_number, shorthand_schema={"type": "number"})),
        ADDED,
    ] = Field(
        None,
        description="Rules of numbers of layers and of some settings: "
        '``{"fc1.l2": ["linear", {"final_value": 0, "n_epochs": 9}]}``.',
    )
    pretrain: Annotated[PretrainingField, ADDED] = Field(
        None,
        description="Dense layers learn to reconstruct their input before training, one after the other: "
        "``{n_epochs: 10, corruption_level: 0.2}``.",
    )
    stop_rule: Annotated[StopRule | None, PartField("stop_rule")] = Field(
        None, description='When training ends early, such as ``{"rule": "stalled", "interval": 10}``.'
    )
    average: Annotated[Average | None, PartField("average", key="kind"), ADDED] = Field(
        None,
        description="Average of the weights over updates or epochs, such as ``{'kind': 'ema', 'decay': 0.999}``; it is "
        "what is validated, kept as best, and predicts.",
    )
    accumulate: Count = Field(1, description="Number of batches of one update.")
    sgd_max_grad_norm: Positive | None = Field(None, description="Largest norm of all gradients together.")
    sgd_max_grad_value: Annotated[Positive | None, ADDED] = Field(
        None, description="Largest absolute value of each gradient, before the norm is taken."
    )
    train_loss: TrainLoss = Field(
        None, description="The loss that is minimised; default: of the output layer, such as nll."
    )
    valid_loss: Losses = Field(
        None,
        description="Losses of a validation, or scorers of scikit-learn such as f1_macro; the first decides which "
        "network is best; default: of the output layer.",
    )
    test_loss: Losses = Field(
        None,
        description="Losses, or scorers of scikit-learn, of the test data, at each new best; default those of a "
        "validation, the best known first.",
    )
    validation_frequency: Count | None = Field(None, description="Examples between validations; default one epoch.")
    monitor: Annotated[
        tuple[str, ...], BeforeValidator(_monitored, json_schema_input_type=str | list[str] | None), Mark.FREE
    ] = Field(
        None,
        validate_default=True,
        description='"grad_norm" and names of layers: at each validation the history has the mean norm of the gradient '
        "since the last one, and norm, mean and share of zeros of the output of each layer.",
    )
    validate_on_train: bool = Field(False, description="Whether the training data is scored at each validation too.")
    restore_best: Annotated[bool, Mark.FREE] = Field(
        True, description="Whether the best network is the result; else the last."
    )

    @model_validator(mode="after")
    def _losses_are_distinct(self) -> Self:
        for name in ("valid_loss", "test_loss"):
            given = getattr(self, name)
            for losses in given.values() if isinstance(given, dict) else [given]:
                # Their names are those of columns of the history.
                columns = [loss.column for loss in losses or ()]
                twice = next((column for column in columns if columns.count(column) > 1), None)
                if losses == ():
                    raise ConfigError(Complaint((name,), f"{name}: at least one loss must be named"))
                if twice is not None:
                    raise ConfigError(Complaint((name,), f"{name} names {twice!r} twice"))
        return self

    @model_validator(mode="after")
    def _final_epochs_are_the_last(self) -> Self:
        if 0 < self.n_epochs <= self.final_epochs:
            raise ConfigError(
                Complaint(
                    ("final_epochs",),
                    f"must be < n_epochs ({self.n_epochs}); got {self.final_epochs}. They begin with the "
                    "best network of the epochs before",
                )
            )
        return self

    @model_validator(mode="after")
    def _rules_suit_the_updater(self) -> Self:
        rule = self.momentum_rule
        if rule is not None and self.sgd_type.momentum_name is None:
            message = "this updater has no momentum. Leave the rule out, or use sgd_type 'momentum' or 'nag'"
            raise ConfigError(Complaint(("momentum_rule",), message))
        defaults = {"lr_rule": self.sgd_type.default_lr, "momentum_rule": self.sgd_type.default_momentum}
        for name, default in defaults.items():
            chosen = getattr(self, name)
            # Only here, as a rule without an initial value begins with that of the updater.
            message = chosen and chosen.ineffective_reason(chosen.start(default).value)
            if message:
                raise ConfigError(Complaint((name,), message))
        if rule is None:
            return self
        highest = rule.highest(rule.start(self.sgd_type.default_momentum).value)
        if highest >= 1:
            how = "without bound" if highest == inf else f"to {highest:g}"
            raise ConfigError(Complaint(("momentum_rule",), f"rises {how}: give a final_value < 1"))
        return self
