"""The ledger: every act of a person or a machine that matters, in order, so that a change to it is seen.

Entries form a hash chain and an RFC 6962 Merkle tree, and are written in the same transaction as what they tell of (:func:`record`). Heads are signed
with a key kept outside the workspace (``checkpoint``) and written to other places (``anchor``). :func:`verify` reports integrity, signer and how far
the ledger is anchored, each on its own. Personal data stays outside the hashes, behind salted commitments, and can be erased.
Workspaces are opened here (:func:`open_workspace`), so that nothing is written on top of a broken ledger.

The promise is "tamper-evident since checkpoint k", and no more: a change is seen, not prevented.
"""

from pilotage.ledger.append import record
from pilotage.ledger.checking import verify
from pilotage.ledger.entry import Entry, Head, entries, head, payload
from pilotage.ledger.opening import create_workspace, open_workspace
from pilotage.ledger.verify import Verification

__all__ = [
    "Entry",
    "Head",
    "Verification",
    "create_workspace",
    "entries",
    "head",
    "open_workspace",
    "payload",
    "record",
    "verify",
]
