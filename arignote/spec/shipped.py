"""The configs that ship, which a command takes by their name."""

from __future__ import annotations

from pathlib import Path

from arignote.errors import ConfigError, did_you_mean

__all__ = ["FOLDER", "shipped_or"]

FOLDER = Path(__file__).parent.parent / "configs"


def shipped_or(path: Path) -> Path:
    """Return the path of the config that ships if there is no file of this name; ConfigError if neither is there."""
    if path.name != str(path) or path.suffix or path.is_file():
        return path
    names = sorted(shipped.stem for shipped in FOLDER.glob("*.yaml"))
    if path.name in names:
        return FOLDER / f"{path.name}.yaml"
    if path.exists():
        return path
    hint = did_you_mean(path.name, names, shown=names)
    raise ConfigError(f"{path}: no such file, and no config that ships has this name. {hint}")
