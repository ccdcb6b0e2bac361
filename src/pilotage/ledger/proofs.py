"""Merkle proofs: that one entry is in a tree, and that one tree is the beginning of another.

With a proof an outsider needs a signed head and about log2(n) hashes, not the ledger. Pure functions over leaf hashes (``verify.leaf_hash``).
Making a proof costs one pass over the leaves; checking one, its length.

References: RFC 6962 §2.1 (tree, making proofs) and RFC 9162 §2.1.3.2, §2.1.4.2 (checking them; the same tree).
"""

from __future__ import annotations

from collections.abc import Sequence

from pilotage.core import InputError
from pilotage.ledger.verify import CompactRange, node_hash


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """The root over ``leaves`` (leaf hashes, 32 bytes each)."""
    tree = CompactRange()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def inclusion_proof(leaves: Sequence[bytes], *, index: int) -> list[bytes]:
    """The hashes that lead from leaf ``index`` (from 0) to the root over ``leaves``. Raises ``InputError`` if there is no such leaf."""
    if not 0 <= index < len(leaves):
        raise InputError(f"There is no leaf {index} in a tree of {len(leaves)}.")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(leaves[:split], index=index), tree_root(leaves[split:])]
    return [*inclusion_proof(leaves[split:], index=index - split), tree_root(leaves[:split])]


def consistency_proof(leaves: Sequence[bytes], *, old_size: int) -> list[bytes]:
    """The hashes showing that the tree over the first ``old_size`` leaves begins the tree over all. Raises ``InputError`` if it is larger."""
    if not 0 <= old_size <= len(leaves):
        raise InputError(f"A tree of {len(leaves)} leaves does not begin with one of {old_size}.")
    if old_size in (0, len(leaves)):
        return []
    return _subproof(leaves, old_size, whole=True)


def includes(root: bytes, *, size: int, index: int, leaf: bytes, proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that ``leaf`` (a leaf hash) is number ``index`` (from 0) of the ``size`` leaves under ``root``."""
    if not 0 <= index < size:
        return False
    place, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            node = node_hash(sibling, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and node == root


def extends(old_root: bytes, *, old_size: int, new_root: bytes, new_size: int, proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that the tree of ``new_size`` leaves under ``new_root`` begins with the tree of ``old_size`` under ``old_root``."""
    if not 0 <= old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    if old_size == 0:
        return not proof and old_root == tree_root([])
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)  # the old tree is a full subtree of the new: its root needs no proof
    if not path:
        return False
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_node = new_node = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old_node, new_node = node_hash(sibling, old_node), node_hash(sibling, new_node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new_node = node_hash(new_node, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and old_node == old_root and new_node == new_root


def _split(size: int) -> int:
    """The largest power of two smaller than ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def _subproof(leaves: Sequence[bytes], old_size: int, *, whole: bool) -> list[bytes]:
    if old_size == len(leaves):
        return [] if whole else [tree_root(leaves)]
    split = _split(len(leaves))
    if old_size <= split:
        return [*_subproof(leaves[:split], old_size, whole=whole), tree_root(leaves[split:])]
    return [*_subproof(leaves[split:], old_size - split, whole=False), tree_root(leaves[:split])]
