"""The tree and its proofs, against the published vectors of RFC 6962's reference tests and against the definition."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.ledger import consistency_proof, extends, includes, inclusion_proof, tree_root
from pilotage.ledger.verify import CompactRange, leaf_hash, node_hash

# certificate-transparency's reference leaves and the roots over the first n of them.
LEAVES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def some_leaves(n: int) -> list[bytes]:
    return [leaf_hash(b"%d" % i) for i in range(n)]


@pytest.mark.parametrize("n", range(9))
def test_the_root_over_the_first_n_published_leaves_is_the_published_one(n: int) -> None:
    assert tree_root(HASHES[:n]).hex() == ROOTS[n]


def test_proofs_are_the_published_ones() -> None:
    assert [node.hex() for node in inclusion_proof(HASHES, index=0)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [node.hex() for node in consistency_proof(HASHES, old_size=6)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@given(st.integers(0, 600))
def test_a_compact_range_gives_the_root_of_the_definition(n: int) -> None:
    tree = CompactRange()
    for leaf in some_leaves(n):
        tree.append(leaf)
    assert tree.root() == naive_root(some_leaves(n))
    again = CompactRange.from_bytes(tree.to_bytes(), size=n)
    again.append(leaf_hash(b"next"))
    assert again.root() == naive_root([*some_leaves(n), leaf_hash(b"next")])


@given(st.data())
def test_a_compact_range_over_other_leaves_differs_from_the_first_subtree_that_holds_one(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 300))
    changed = data.draw(st.integers(0, n - 1))
    one, other = CompactRange(), CompactRange()
    for index, leaf in enumerate(some_leaves(n)):
        one.append(leaf)
        other.append(leaf_hash(b"forged") if index == changed else leaf)
    first = one.differs_from(other.to_bytes())
    assert first is not None
    assert first <= changed
    assert one.differs_from(one.to_bytes()) is None


@given(st.data())
def test_every_inclusion_proof_holds_and_any_flipped_bit_breaks_it(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 130))
    index = data.draw(st.integers(0, size - 1))
    leaves = some_leaves(size)
    root, proof = naive_root(leaves), inclusion_proof(leaves, index=index)
    assert includes(root, size=size, index=index, leaf=leaves[index], proof=proof)

    parts = [root, leaves[index], *proof]
    bit = data.draw(st.integers(0, len(parts) * 256 - 1))
    parts[bit // 256] = flipped(parts[bit // 256], bit % 256)
    assert not includes(parts[0], size=size, index=index, leaf=parts[1], proof=parts[2:])
    other = data.draw(st.integers(0, size - 1).filter(lambda other: other != index) if size > 1 else st.just(-1))
    assert not includes(root, size=size, index=other, leaf=leaves[index], proof=proof)
    assert not includes(root, size=size, index=index, leaf=leaves[index], proof=[*proof, root])
    if proof:
        assert not includes(root, size=size, index=index, leaf=leaves[index], proof=proof[:-1])


@given(st.data())
def test_every_consistency_proof_holds_and_any_flipped_bit_breaks_it(data: st.DataObject) -> None:
    new_size = data.draw(st.integers(1, 130))
    old_size = data.draw(st.integers(0, new_size))
    leaves = some_leaves(new_size)
    old_root, new_root = naive_root(leaves[:old_size]), naive_root(leaves)
    proof = consistency_proof(leaves, old_size=old_size)
    assert extends(old_root, old_size=old_size, new_root=new_root, new_size=new_size, proof=proof)

    # An empty old tree begins every tree: nothing is claimed about the new root then.
    parts = [old_root, *([new_root] if old_size else []), *proof]
    bit = data.draw(st.integers(0, len(parts) * 256 - 1))
    parts[bit // 256] = flipped(parts[bit // 256], bit % 256)
    forged_new = parts[1] if old_size else new_root
    assert not extends(parts[0], old_size=old_size, new_root=forged_new, new_size=new_size, proof=parts[2 if old_size else 1 :])
    assert not extends(old_root, old_size=old_size, new_root=new_root, new_size=new_size, proof=[*proof, new_root])
    if proof:
        assert not extends(old_root, old_size=old_size, new_root=new_root, new_size=new_size, proof=proof[:-1])


def test_a_node_cannot_pose_as_a_leaf() -> None:
    left, right = some_leaves(2)
    assert leaf_hash(left + right) != node_hash(left, right)


def test_what_is_not_in_the_tree_has_no_proof() -> None:
    with pytest.raises(InputError):
        inclusion_proof(some_leaves(3), index=3)
    with pytest.raises(InputError):
        consistency_proof(some_leaves(3), old_size=4)
    assert not includes(tree_root([]), size=0, index=0, leaf=leaf_hash(b""), proof=[])
    assert not extends(tree_root([]), old_size=2, new_root=tree_root([]), new_size=1, proof=[])


@pytest.mark.parametrize(("size", "length"), [(1, 0), (3, 32), (2, 64), (-1, 0)])
def test_a_compact_range_of_the_wrong_length_is_refused(size: int, length: int) -> None:
    with pytest.raises(ValueError, match="compact range"):
        CompactRange.from_bytes(bytes(length), size=size)


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
