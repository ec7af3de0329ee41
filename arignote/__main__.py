"""``python -m arignote`` is the command ``arignote``."""

from arignote.cli import main

main()
