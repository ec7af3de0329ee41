"""The loggers of 2015."""

from __future__ import annotations

import logging

from arignote.util.netlog import setup_logging


def test_a_logger_is_that_of_the_standard_library_below_arignote():
    logger = setup_logging("training", "DEBUG")
    assert logger is logging.getLogger("arignote.training") and logger.level == logging.DEBUG
    assert setup_logging("training").level == logging.INFO and not logger.handlers
