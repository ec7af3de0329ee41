"""``python -m arignote`` is the command ``arignote``."""

import signal

# Ctrl-C while modules are loaded ends the process without a traceback; main() listens again.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from arignote.cli import main

main()
