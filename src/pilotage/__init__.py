"""Pilotage brings AI pilots into production with people at the helm.

The rooms, from the top floor down: ``cli``, ``server``, ``readiness``, ``evaluation`` / ``redteam`` / ``practice``, ``review``, ``runs``,
``judging`` / ``evidence``, ``data`` / ``models`` / ``people``, ``ledger``, ``store``, ``core``. A room imports only from floors below it.

Importing this package imports nothing else: each room is loaded when it is used.
"""

__version__ = "0.1.0"
