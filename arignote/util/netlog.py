"""``arignote.util.netlog`` of 2015: loggers of the standard library."""

from __future__ import annotations

import logging

__all__ = ["setup_logging"]


def setup_logging(name: str, level: int | str = "INFO") -> logging.Logger:
    """Return the logger "arignote.NAME".

    Parameters
    ----------
    name : str
    level : int or str
        Lowest level that is logged.

    Returns
    -------
    logging.Logger
    """
    logger = logging.getLogger(f"arignote.{name}")
    logger.setLevel(level)
    return logger
