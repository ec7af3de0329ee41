"""Which modules are mutated, and by which tests each must be held.

A module is tested by its own file in tests/, which mirrors the package, and by the further files named here. Of all
these the tests are run that execute the changed lines.
"""

from __future__ import annotations

from pathlib import Path

# The repository: the tool is run in its root.
ROOT = Path.cwd()

_LAYERS = ("contracts", "engine/by_hand", "engine/test_network.py", "layers/test_architecture.py")
_STRUCTURE = (
    "layers/test_layer_list.py",
    "layers/test_architecture.py",
    "layers/test_share.py",
    "layers/test_recurrent.py",
    "layers/test_embedding.py",
    "layers/test_merge.py",
)
_ENGINE = ("engine", "reference", "contracts", "resume/test_in_process.py")
_DATA = ("data/prepare/test_prepared.py", "test_data_end_to_end.py", "test_bad_input.py")
_DRAWS = "resume/test_code_of_a_user_that_draws.py"
_RUNS = ("resume/test_in_process.py", "fit/test_resume.py")
_FILES = ("resume/test_damaged_files.py", "checkpoints/test_schedule.py", *_RUNS)

# Module or folder: further tests, below tests/.
SCOPE: dict[str, tuple[str, ...]] = {
    "arignote/streams.py": ("layers/initializers", "data/epoch/test_order.py"),
    "arignote/checkpoints/cadence.py": ("checkpoints/test_schedule.py",),
    "arignote/checkpoints/names.py": ("checkpoints/test_reader.py",),
    "arignote/checkpoints/tensors.py": ("checkpoints/test_progress.py", "checkpoints/test_state.py"),
    "arignote/checkpoints/progress.py": ("report/test_progress.py", "resume/test_in_process.py"),
    "arignote/checkpoints/state.py": (
        "checkpoints/test_entries.py",
        "checkpoints/test_format.py",
        "resume/test_in_process.py",
    ),
    "arignote/checkpoints/entries.py": ("checkpoints/test_state.py", "checkpoints/test_format.py"),
    "arignote/checkpoints/format.py": ("resume/test_damaged_files.py",),
    "arignote/spec/objective.py": (
        "fit/test_several_outputs.py",
        "fit/test_config_data.py",
        "estimators/test_several_outputs.py",
        "estimators/test_scoring.py",
        "test_targets_end_to_end.py",
    ),
    "arignote/spec/inputs.py": ("layers/test_embedding.py",),
    "arignote/fit/resume.py": ("resume/test_in_process.py",),
    "arignote/fit/changes.py": ("fit/test_resume.py", "resume/test_in_process.py"),
    "arignote/fit/trainer.py": ("report/test_progress.py", "estimators/test_classifier.py", *_RUNS),
    "arignote/checkpoints/schedule.py": (
        "resume/test_in_process.py",
        "resume/test_full_disk.py",
        "checkpoints/storage/test_remote.py",
    ),
    "arignote/checkpoints/reader.py": (*_FILES, "checkpoints/storage/test_remote.py"),
    "arignote/checkpoints/writer.py": (*_FILES, "checkpoints/storage/test_remote.py"),
    "arignote/checkpoints/storage": ("checkpoints/storage", "resume/test_full_disk.py", "checkpoints/test_schedule.py"),
    "arignote/optim/losses": ("optim/test_losses.py", "optim/losses", "reference", "contracts", "engine/test_step.py"),
    "arignote/optim/settings.py": ("spec/test_config.py", "spec/test_settings.py", "spec/test_parameter_docs.py"),
    "arignote/optim/updaters": ("optim/test_updaters.py", "reference", "contracts", "engine/test_update.py"),
    "arignote/optim/rules": ("optim/rules", "reference", "contracts", *_RUNS),
    "arignote/optim": ("reference", "contracts", "engine/test_update.py", "registry/test_part.py", *_RUNS),
    "arignote/layers/layer_list.py": (*_LAYERS, "first_hour/test_spelling.py", "first_hour/test_words.py"),
    "arignote/layers/architecture.py": _STRUCTURE,
    "arignote/layers/entries.py": _STRUCTURE,
    "arignote/layers/links.py": _STRUCTURE,
    "arignote/layers/embedding.py": (),
    "arignote/layers/lstm_loop.py": ("layers/test_recurrent.py",),
    "arignote/layers/step_loop.py": ("layers/test_recurrent.py",),
    "arignote/layers/recurrent.py": (),
    "arignote/layers": (*_LAYERS, "layers"),
    "arignote/engine/by_hand": ("engine/by_hand", *_ENGINE),
    "arignote/engine/step.py": (*_ENGINE, _DRAWS),
    "arignote/engine/predict.py": ("engine/test_step.py", *_ENGINE, "estimators/test_scoring.py", _DRAWS),
    "arignote/engine/session.py": (*_ENGINE, _DRAWS),
    "arignote/engine": _ENGINE,
    "arignote/data/epoch/cuts.py": ("data/epoch/test_batches.py",),
    "arignote/data/epoch/order.py": ("data/epoch/test_batches.py", "data/rows/test_selection.py"),
    "arignote/data/epoch/batches.py": ("data/epoch/test_order.py", "engine/test_feed.py", *_DATA),
    "arignote/data/prepare/partition.py": _DATA,
    "arignote/data/preprocess.py": ("data/test_transforms.py", *_DATA),
    "arignote/data/geometric_transforms.py": ("data/test_transforms.py", *_DATA),
    "arignote/data/transforms.py": ("data/test_preprocess.py", *_DATA),
    "arignote/data/targets/each_step.py": ("data/targets/test_several.py",),
    "arignote/data/targets": (
        "data/targets",
        "contracts/test_parts.py",
        "data/rows/test_selection.py",
        "data/values/test_missing_values.py",
        "estimators/test_classifier.py",
        "estimators/test_classifier_of_other_targets.py",
        "estimators/test_regressor.py",
        "estimators/test_several_outputs.py",
        *_DATA,
    ),
    "arignote/data/rows/open_rows.py": (
        "data/rows/test_selection.py",
        "data/readers/test_base.py",
        "data/readers/test_mixed.py",
        *_DATA,
    ),
    "arignote/data/rows/open_channels.py": ("data/rows/test_open_rows.py", "data/readers/test_mixed.py"),
    "arignote/data/readers/joined.py": (),
    "arignote/data/readers/sequences.py": (),
    "arignote/data/readers/windows.py": (),
    "arignote/data/values/fields.py": ("data/readers/test_joined.py", "data/targets/test_several.py"),
    "arignote/data/inputs.py": (
        "spec/test_inputs.py",
        "data/rows/test_open_rows.py",
        "data/rows/test_row_preprocessing.py",
        "data/rows/test_selection.py",
    ),
    "arignote/data/rows/row_preprocessing.py": (),
    "arignote/data/rows/selection.py": (
        "data/rows/test_open_rows.py",
        "data/epoch/test_order.py",
        "data/epoch/test_batches.py",
        "data/readers/test_base.py",
        *_DATA,
    ),
}


def modules(root: Path = ROOT) -> list[str]:
    """List the modules in scope, as paths below the root."""
    found = [path for place in SCOPE for path in ([root / place] if place.endswith(".py") else _below(root / place))]
    return list(dict.fromkeys(path.relative_to(root).as_posix() for path in found))


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if path.name != "__init__.py")


def tests(module: str, root: Path = ROOT) -> list[str]:
    """List the files of tests of a module, its own first, as paths below the root."""
    path = Path(module)
    own = Path("tests", *path.parts[1:-1], f"test_{path.name}")
    further = next(SCOPE[place] for place in SCOPE if module == place or module.startswith(f"{place}/"))
    found = [own] if (root / own).exists() else []
    for name in further:
        place = root / "tests" / name
        files = sorted(place.glob("test_*.py")) if place.is_dir() else [place]
        found += [one.relative_to(root) for one in files if one.exists()]
    # The doctests of the module are tests of it too.
    return list(dict.fromkeys([*(one.as_posix() for one in found), module]))
