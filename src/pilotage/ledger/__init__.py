"""The ledger: every act of a person or a machine that matters, in order, so that a change to it is seen.

Entries form a hash chain and an RFC 6962 Merkle tree, and are written in the same transaction as what they tell of (:func:`record`). Heads are signed
with a key kept outside the workspace (:func:`checkpoint`) and written to other places (:func:`anchor`). :func:`verify` reports integrity, signer and
how far the ledger is anchored, each on its own. Personal data stays outside the hashes, behind salted commitments, and can be erased
(:func:`erase_payload`). :func:`export_bundle` hands the ledger to somebody who has no Pilotage. Workspaces are opened here (:func:`open_workspace`),
so that nothing is written on top of a broken ledger.

The promise is "tamper-evident since checkpoint k", and no more: a change is seen, not prevented.
"""

from pilotage.ledger.anchors import Anchor, anchor
from pilotage.ledger.append import record
from pilotage.ledger.bundle import Bundle, export_bundle
from pilotage.ledger.checking import verify
from pilotage.ledger.checkpoints import Checkpoint, checkpoint, checkpoint_due, checkpoint_if_due, last_checkpoint, rotate_key
from pilotage.ledger.entry import Entry, Head, entries, head, payload
from pilotage.ledger.erasure import Erasure, erase_payload
from pilotage.ledger.opening import create_workspace, open_workspace, reopen
from pilotage.ledger.proofs import consistency_proof, extends, includes, inclusion_proof, tree_root
from pilotage.ledger.verify import Verification

__all__ = [
    "Anchor",
    "Bundle",
    "Checkpoint",
    "Entry",
    "Erasure",
    "Head",
    "Verification",
    "anchor",
    "checkpoint",
    "checkpoint_due",
    "checkpoint_if_due",
    "consistency_proof",
    "create_workspace",
    "entries",
    "erase_payload",
    "export_bundle",
    "extends",
    "head",
    "includes",
    "inclusion_proof",
    "last_checkpoint",
    "open_workspace",
    "payload",
    "record",
    "reopen",
    "rotate_key",
    "tree_root",
    "verify",
]
