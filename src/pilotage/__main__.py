"""``python -m pilotage``: the same as the command ``pilotage``."""

from pilotage.cli.main import main

main()
