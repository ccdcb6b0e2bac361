"""Checks a Pilotage ledger. Stands alone: Python 3.11+ and the ``cryptography`` package, nothing of Pilotage.

    python verify.py BUNDLE [--anchor FILE] [--key FILE-OR-TEXT] [--json]

BUNDLE is a folder or a zip that Pilotage exported. The exit status is 0 if nothing speaks against the ledger, 1 if something does.
Three things are reported apart, because they rest on different grounds:

integrity
    Every entry was hashed again: the hash chain, the Merkle tree over the same entries (RFC 6962) and every signed head agree with one another.
    Whoever can rewrite all of them can make them agree; hence the other two.
signer
    Whether the heads are signed by a key **you** hold (``--key``). A key that only the bundle vouches for is "unknown".
anchored until
    The last entry covered by a head that was kept somewhere else (``--anchor``). Up to there a cut, a rollback or a rewrite is seen whoever made it;
    after it, only if the writer of the ledger did not join in.

Pilotage itself verifies with this very file. Cost: two SHA-256 per entry for the tree, two for entry and chain.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import html
import itertools
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HASH_SIZE = 32
GENESIS = bytes(HASH_SIZE)
EMPTY_ROOT = hashlib.sha256(b"").digest()
KEY_ENTRY = "ledger.key"
ERASURE_ENTRY = "ledger.payload_erased"
BUNDLE_FORMAT = "pilotage-ledger-bundle"
_LONGEST_LINE = 64 * 1024 * 1024
_LONGEST_MANIFEST = 1000  # lines
_MOST_OBJECTS = 1_000_000
_ED25519 = b"\x01"  # the signature type of Ed25519 in signed notes
_KEY_TITLE = "pilotage ledger key"

# --- hashes -----------------------------------------------------------------------------------------------------------------------------------------


def leaf_hash(leaf: bytes) -> bytes:
    """The Merkle tree's hash of an entry (RFC 6962 §2.1: the prefix keeps a leaf from posing as a node)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The Merkle tree's hash of two subtrees (RFC 6962 §2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def chain_hash(previous: bytes, leaf: bytes) -> bytes:
    """The hash chain after an entry: over the chain before it and the entry's leaf hash."""
    return hashlib.sha256(b"\x02" + previous + leaf).digest()


class CompactRange:
    """The roots of the right-most full subtrees of a Merkle tree: all that is needed to append to it and to know its root.

    A tree of n leaves has as many as n has one bits, the largest first. Appending costs one hash on average, the root at most log2(n).
    """

    __slots__ = ("_nodes", "size")

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self.size = 0

    @classmethod
    def from_bytes(cls, data: bytes, *, size: int) -> CompactRange:
        """The range of ``size`` leaves that :meth:`to_bytes` wrote. Raises ``ValueError`` if the length does not fit the size."""
        if size < 0 or len(data) != size.bit_count() * HASH_SIZE:
            raise ValueError(f"a compact range of {size} leaves does not take {len(data)} bytes")
        made = cls()
        made.size = size
        made._nodes = [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]
        return made

    def to_bytes(self) -> bytes:
        """The subtree roots, the largest subtree first."""
        return b"".join(self._nodes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash on the right."""
        size, node, nodes = self.size, leaf, self._nodes
        while size & 1:
            node = hashlib.sha256(b"\x01" + nodes.pop() + node).digest()
            size >>= 1
        nodes.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The tree's root; of no leaves, the hash of nothing (RFC 6962 §2.1)."""
        if not self._nodes:
            return EMPTY_ROOT
        root = self._nodes[-1]
        for node in reversed(self._nodes[:-1]):
            root = node_hash(node, root)
        return root

    def differs_from(self, other: bytes) -> int | None:
        """The first leaf (from 0) under a subtree whose root is another in ``other`` (as written by :meth:`to_bytes`), or None."""
        first, bit = 0, 1 << max(self.size.bit_length() - 1, 0)
        for at, node in enumerate(self._nodes):
            while not self.size & bit:
                bit >>= 1
            if other[at * HASH_SIZE : (at + 1) * HASH_SIZE] != node:
                return first
            first += bit
            bit >>= 1
        return None


# --- the history, recomputed ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flaw:
    """Something that speaks against the ledger. ``seq`` is the first entry that may not be what was written."""

    seq: int
    why: str


# seq, chain hash before it, the entry's bytes, its stored leaf hash, its stored chain hash
Link = tuple[int, bytes, bytes, bytes, bytes]


class History:
    """Chain and tree, recomputed entry by entry; remembers the root and the chain at the sizes it is told to watch."""

    def __init__(self, *, chain: bytes = GENESIS, tree: CompactRange | None = None) -> None:
        self.tree = tree or CompactRange()
        self.chain = chain
        self.start = self.tree.size
        self.heads: dict[int, tuple[bytes, bytes]] = {self.start: (self.tree.root(), chain)}

    @property
    def size(self) -> int:
        """How many entries are known to be good, so far."""
        return self.tree.size

    def extend(self, links: Iterable[Link], *, watch: Collection[int] = ()) -> Flaw | None:
        """Add ``links`` in order, up to the first that does not fit; that one is returned as a flaw."""
        sha256, tree, watched = hashlib.sha256, self.tree, frozenset(watch)
        append, chain, expected = tree.append, self.chain, tree.size
        try:
            for seq, previous, leaf, stored_leaf, stored_chain in links:
                expected += 1
                if seq != expected:
                    return _misplaced(seq, expected)
                if previous != chain:
                    return Flaw(seq, f"entry {seq} does not follow the entry before it")
                leaf_now = sha256(b"\x00" + leaf).digest()
                if leaf_now != stored_leaf:
                    return Flaw(seq, f"entry {seq} is not what was hashed when it was written")
                chain_now = sha256(b"\x02" + chain + leaf_now).digest()
                if chain_now != stored_chain:
                    return Flaw(seq, f"the chain hash of entry {seq} is wrong")
                append(leaf_now)
                chain = chain_now
                if seq in watched:
                    self.heads[seq] = (tree.root(), chain)
        finally:
            self.chain = chain
        self.heads[tree.size] = (tree.root(), chain)
        return None


def _misplaced(seq: object, expected: int) -> Flaw:
    if isinstance(seq, int) and seq > expected:
        missing = str(expected) if seq == expected + 1 else f"{expected} to {seq - 1}"
        return Flaw(expected, f"entry {missing} is missing")
    return Flaw(expected, f"entry {expected} was expected, {seq!r} was found")


# --- signed notes (C2SP signed-note and tlog-checkpoint) --------------------------------------------------------------------------------------------


def origin_of(workspace: str) -> str:
    """The name under which a workspace's heads are signed."""
    return f"pilotage/{workspace}"


def key_number(name: str, public: bytes) -> bytes:
    """The four bytes that say which key signed (C2SP signed-note)."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def verifier_text(name: str, public: bytes) -> str:
    """A public key as one line, ``<name>+<number>+<base64>`` (C2SP signed-note's verifier key)."""
    return f"{name}+{key_number(name, public).hex()}+{base64.b64encode(_ED25519 + public).decode()}"


def read_verifier(text: str) -> tuple[str, bytes]:
    """Name and raw public key of a line made by :func:`verifier_text`. Raises ``ValueError`` if it is none."""
    name, _, rest = text.strip().partition("+")
    number, _, encoded = rest.partition("+")
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not a public key: {text!r}") from error
    if len(data) != 33 or data[:1] != _ED25519 or key_number(name, data[1:]).hex() != number:
        raise ValueError(f"not a public key: {text!r}")
    return name, data[1:]


@dataclass(frozen=True)
class Note:
    """A signed text: lines, an empty line, and a line for each signature."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]
    """Signer's name, key number, signature."""

    def signed_by(self, key: str) -> bool:
        """Whether the key (as :func:`verifier_text`) signed this text."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        name, public = read_verifier(key)
        number = key_number(name, public)
        for signer, signer_number, signature in self.signatures:
            if signer == name and signer_number == number:
                try:
                    Ed25519PublicKey.from_public_bytes(public).verify(signature, self.text.encode())
                except InvalidSignature:
                    continue
                return True
        return False


def read_note(note: str) -> Note:
    """Take a signed note apart; nothing is verified yet. Raises ``ValueError`` if it is malformed."""
    text, gap, tail = note.rpartition("\n\n")
    if not gap or not tail.endswith("\n"):
        raise ValueError("not a signed note")
    signatures = []
    for line in tail[:-1].split("\n"):
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014":
            raise ValueError("not a signed note")
        try:
            data = base64.b64decode(parts[2], validate=True)
        except binascii.Error as error:
            raise ValueError("not a signed note") from error
        if len(data) != 68:
            raise ValueError("not an Ed25519 signature")
        signatures.append((parts[1], data[:4], data[4:]))
    return Note(text + "\n", tuple(signatures))


def write_note(text: str, signatures: Iterable[tuple[str, bytes, bytes]]) -> str:
    """The signed note of ``text``, which must end in a newline."""
    lines = "".join(f"\u2014 {name} {base64.b64encode(number + signature).decode()}\n" for name, number, signature in signatures)
    return f"{text}\n{lines}"


@dataclass(frozen=True)
class SignedHead:
    """A head of the ledger as somebody signed it: how many entries, the tree's root, the chain's hash."""

    origin: str
    size: int
    root: bytes
    chain: bytes
    note: Note


def head_text(origin: str, *, size: int, root: bytes, chain: bytes) -> str:
    """The text of a checkpoint: origin, size, root, and the chain's hash as an extension line (C2SP tlog-checkpoint)."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\nchain {base64.b64encode(chain).decode()}\n"


def read_head(note: str) -> SignedHead:
    """The head in a signed checkpoint; its signature is not verified yet. Raises ``ValueError`` if it is malformed."""
    parsed = read_note(note)
    lines = parsed.text[:-1].split("\n")
    try:
        origin, size, root, extension = lines
        word, _, chain = extension.partition(" ")
        head = SignedHead(origin, int(size), base64.b64decode(root, validate=True), base64.b64decode(chain, validate=True), parsed)
    except (ValueError, binascii.Error) as error:
        raise ValueError("not a checkpoint of a ledger") from error
    if word != "chain" or head.size < 0 or str(head.size) != size or len(head.root) != HASH_SIZE or len(head.chain) != HASH_SIZE:
        raise ValueError("not a checkpoint of a ledger")
    return head


def key_text(origin: str, *, key: str, previous: str | None) -> str:
    """The text both keys sign when a ledger's key changes."""
    return f"{_KEY_TITLE}\n{origin}\nfrom {previous or 'none'}\nto {key}\n"


@dataclass(frozen=True)
class KeyInForce:
    """A signing key, from the entry on that names it."""

    seq: int
    key: str
    vouched: bool
    """Whether the key before it signed the change too."""


def read_keys(origin: str, entries: Iterable[tuple[int, dict[str, Any]]]) -> tuple[list[KeyInForce], list[Flaw]]:
    """The keys that the ledger's key entries (seq, body) name, in order, and what is wrong with those entries."""
    keys: list[KeyInForce] = []
    flaws: list[Flaw] = []
    for seq, body in entries:
        before = keys[-1].key if keys else None
        try:
            key, note = str(body["key"]), read_note(str(body["note"]))
            sound = note.text == key_text(origin, key=key, previous=before) and note.signed_by(key)
            vouched = before is not None and note.signed_by(before)
        except (KeyError, ValueError):
            sound = False
        if sound:
            keys.append(KeyInForce(seq, key, vouched))
        else:
            flaws.append(Flaw(seq, f"entry {seq} names a signing key but is not signed by it"))
    return keys, flaws


def _trusted(keys: Sequence[KeyInForce], held: Collection[str]) -> set[str]:
    """The ledger's keys that a held key is, or is joined to by changes that both keys signed."""
    joined: list[set[str]] = []
    for item in keys:
        if item.vouched:
            joined[-1].add(item.key)
        else:
            joined.append({item.key})
    return set().union(*(group for group in joined if not group.isdisjoint(held)))


def _printable(text: str) -> str:
    """``text`` on one line, without what moves a terminal's cursor: a bundle must not write its own result."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


# --- the conclusion ---------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verification:
    """What checking a ledger found, its three parts apart.

    integrity
        ``ok`` or ``broken``. If broken, ``first_bad_seq`` is the first entry that may not be what was written and ``why`` says what is wrong.
    signer
        ``known`` (every head is signed by a key the checker holds, or one it is joined to), ``unknown`` (signed, but the checker holds no key),
        ``none`` (no signed heads), ``foreign`` (the checker holds this ledger's key, and the ledger is signed by another), ``invalid`` (a signature
        is wrong).
    anchored_until
        The last entry covered by a head kept elsewhere; 0 if none was checked. ``signed_until``: by any signed head.
    """

    integrity: str
    signer: str
    anchored_until: int
    signed_until: int
    entries: int
    first_bad_seq: int | None = None
    why: str = ""
    checked_from: int = 1
    notes: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the ledger."""
        return self.integrity == "ok" and self.signer not in ("foreign", "invalid")

    def __str__(self) -> str:
        integrity = f"ok ({self.entries} entries)"
        if self.checked_from > 1:
            integrity = f"ok (entries {self.checked_from} to {self.entries}, from a signed head on)"
        if self.integrity != "ok":
            integrity = f"BROKEN from entry {self.first_bad_seq} on: {self.why}"
        signer = {
            "known": f"known, until entry {self.signed_until}",
            "unknown": f"unknown: signed until entry {self.signed_until}, by a key that you do not hold",
            "none": "none: no head of this ledger has been signed",
            "foreign": "FOREIGN: this ledger is not signed by the key that you hold for it",
            "invalid": "INVALID: a signature is wrong",
        }[self.signer]
        anchored = f"entry {self.anchored_until}" if self.anchored_until else "not anchored: a cut at the end would not be seen"
        lines = [f"integrity       {integrity}", f"signer          {signer}", f"anchored until  {anchored}"]
        return "\n".join(_printable(line) for line in [*lines, *(f"note            {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "notes": list(self.notes), "ok": self.ok}


def conclude(
    history: History,
    flaws: Iterable[Flaw],
    *,
    origin: str,
    key_entries: Iterable[tuple[int, dict[str, Any]]],
    checkpoints: Iterable[str],
    anchors: Iterable[str] = (),
    held: Collection[str] = (),
    notes: Iterable[str] = (),
) -> Verification:
    """Hold the recomputed history against its keys, its signed checkpoints and the heads that were kept elsewhere.

    ``checkpoints`` and ``anchors`` are signed notes; ``held`` the public keys that the checker has from elsewhere. Heads below the history's start
    cannot be recomputed and are passed over.
    """
    found, remarks = list(flaws), list(notes)
    walked_to_the_end = not found
    keys, key_flaws = read_keys(origin, key_entries)
    found += key_flaws
    trusted = _trusted(keys, held)
    good, signed_until, anchored_until = history.start, 0, 0
    signer = "none"
    heads = sorted([*_read_heads(checkpoints, False, found), *_read_heads(anchors, True, remarks)], key=lambda pair: pair[0].size)
    for head, kept_elsewhere in heads:
        if head.origin != origin:
            if not kept_elsewhere:
                found.append(Flaw(good + 1, f"the checkpoint at {head.size} is of another ledger: {head.origin}"))
            continue
        if head.size < history.start:
            continue
        what = "a head kept elsewhere" if kept_elsewhere else "a signed checkpoint"
        if head.size > history.size:
            if walked_to_the_end:
                found.append(Flaw(history.size + 1, f"{what} covers {head.size} entries, but only {history.size} are here: the end was cut off"))
            continue
        if history.heads[head.size] != (head.root, head.chain):
            found.append(Flaw(good + 1, f"{what} over {head.size} entries says otherwise: entries up to there were rewritten"))
            continue
        if kept_elsewhere:
            good = anchored_until = head.size
            continue
        key = next((item.key for item in reversed(keys) if item.seq <= head.size), None)
        if key is None or not head.note.signed_by(key):
            signer = "invalid"
            found.append(Flaw(good + 1, f"the checkpoint at {head.size} is not signed by the key in force there"))
            continue
        good = signed_until = head.size
        if signer != "invalid":
            signer = "known" if key in trusted and signer in ("none", "known") else "unknown"
    if held and signer != "invalid" and (signer == "unknown" or (history.start == 0 and walked_to_the_end and not trusted)):
        signer = "foreign"
    first = min(found, key=lambda flaw: flaw.seq) if found else None
    if first is None and signer == "foreign":
        # The ledger agrees with itself, but whoever holds its key did not sign it.
        first = Flaw(keys[0].seq if keys else 1, "the ledger is not signed by the key that you hold for it")
    return Verification(
        integrity="broken" if first else "ok",
        signer=signer,
        anchored_until=anchored_until,
        signed_until=signed_until,
        entries=history.size,
        first_bad_seq=first.seq if first else None,
        why=first.why if first else "",
        checked_from=history.start + 1,
        notes=tuple(remarks),
    )


def _read_heads(notes: Iterable[str], kept_elsewhere: bool, problems: list[Any]) -> Iterator[tuple[SignedHead, bool]]:
    for note in notes:
        try:
            yield read_head(note), kept_elsewhere
        except ValueError as error:
            problems.append(
                f"a line of an anchor file cannot be read: {error}" if kept_elsewhere else Flaw(1, f"a checkpoint cannot be read: {error}")
            )


def sizes_of(notes: Iterable[str]) -> set[int]:
    """The sizes of those notes that are checkpoints."""
    sizes = set()
    for note in notes:
        try:
            sizes.add(read_head(note).size)
        except ValueError:
            continue
    return sizes


def read_anchor_file(text: str, *, origin: str) -> tuple[list[str], int]:
    """The signed notes of one ledger in an anchor file (a JSON object a line), and how many lines are no anchors (torn by a crash, say)."""
    found, torn = [], 0
    for line in text.split("\n"):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            if value["origin"] == origin:
                found.append(str(value["note"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            torn += 1
    return found, torn


# --- the bundle -------------------------------------------------------------------------------------------------------------------------------------

_LINE_START = b'{"entry":'
_LINE_END = re.compile(rb',"leaf_hash":"([0-9a-f]{64})","chain_hash":"([0-9a-f]{64})"}\n')
_LINE_END_SIZE = len(b',"leaf_hash":"","chain_hash":""}\n') + 4 * HASH_SIZE


def bundle_line(leaf: bytes, leaf_hash: bytes, chain_hash: bytes) -> bytes:
    """One line of ``entries.jsonl``: the entry's bytes exactly as hashed, and its hashes."""
    return b'%s%s,"leaf_hash":"%s","chain_hash":"%s"}\n' % (_LINE_START, leaf, leaf_hash.hex().encode(), chain_hash.hex().encode())


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name twice in one object")
    return value


class _Bundle:
    """Reads a bundle, a folder or a zip; keeps the key entries it meets."""

    def __init__(self, path: Path) -> None:
        self._zip = None if path.is_dir() else zipfile.ZipFile(path)
        names = [] if self._zip is None else self._zip.namelist()
        if len(set(names)) != len(names):
            raise ValueError("a file is in this zip twice: what is checked might not be what you read")
        self._folder = path
        self.key_entries: list[tuple[int, dict[str, Any]]] = []

    def lines(self, name: str) -> Iterator[bytes]:
        """A file's lines, as a stream: a small zip can unpack to more than this machine holds."""
        with (self._folder / name).open("rb") if self._zip is None else self._zip.open(name) as file:
            while line := file.readline(_LONGEST_LINE + 1):
                if len(line) > _LONGEST_LINE:
                    raise ValueError(f"{name} has a line of more than {_LONGEST_LINE} bytes")
                yield line

    def objects(self, name: str) -> Iterator[dict[str, Any]]:
        """A file of JSON objects, one a line."""
        for number, line in enumerate(self.lines(name)):
            if number >= _MOST_OBJECTS:
                raise ValueError(f"{name} has more than {_MOST_OBJECTS} lines")
            value = json.loads(line, object_pairs_hook=_unique)
            if not isinstance(value, dict):
                raise ValueError(f"{name} has a line that is no object")
            yield value

    def links(self, workspace: str) -> Iterator[Link]:
        decode = json.JSONDecoder(object_pairs_hook=_unique).decode
        for number, line in enumerate(self.lines("entries.jsonl"), start=1):
            leaf, end = line[len(_LINE_START) : -_LINE_END_SIZE], _LINE_END.fullmatch(line[-_LINE_END_SIZE:])
            try:
                if end is None or not line.startswith(_LINE_START):
                    raise ValueError("not a line of a bundle")
                entry = decode(leaf.decode())
                seq, previous = entry["seq"], bytes.fromhex(entry["prev"])
                if entry["workspace"] != workspace:
                    raise ValueError("an entry of another ledger")
                if entry["type"] == KEY_ENTRY:
                    self.key_entries.append((seq, entry["body"]))
                if type(seq) is not int:
                    raise ValueError("not a number of an entry")
            except (ValueError, KeyError, TypeError, RecursionError):
                yield number, b"", leaf, b"", b""
                return
            yield seq, previous, leaf, bytes.fromhex(end[1].decode()), bytes.fromhex(end[2].decode())


def verify_bundle(path: Path, *, anchors: Iterable[Path] = (), held: Collection[str] = ()) -> Verification:
    """Check an exported ledger. Raises ``ValueError``, ``KeyError`` or ``OSError`` if it cannot be read at all."""
    bundle = _Bundle(path)
    manifest = json.loads(b"".join(itertools.islice(bundle.lines("manifest.json"), _LONGEST_MANIFEST)), object_pairs_hook=_unique)
    if manifest["format"] != BUNDLE_FORMAT or manifest["version"] != 1:
        raise ValueError("this is no bundle that this verifier knows")
    workspace = str(manifest["workspace"])
    origin = origin_of(workspace)
    checkpoints = [str(item["note"]) for item in bundle.objects("checkpoints.jsonl")]
    claimed = max((int(item["size"]) for item in bundle.objects("anchors.jsonl")), default=None)
    anchor_files = [read_anchor_file(file.read_text(encoding="utf-8"), origin=origin) for file in anchors]
    kept = [note for found, _ in anchor_files for note in found]
    history = History()
    flaw = history.extend(bundle.links(workspace), watch=sizes_of([*checkpoints, *kept]))
    flaws = [flaw] if flaw else []
    if flaw is None and (history.size, history.chain.hex()) != (manifest["size"], manifest["chain_hash"]):
        cut = min(history.size, int(manifest["size"])) + 1
        flaws.append(Flaw(cut, f"the bundle says it holds {manifest['size']} entries; {history.size} are here, or others"))
    notes = []
    if claimed is not None and not kept:
        notes.append(f"the ledger says it was anchored until entry {claimed}; give that file with --anchor")
    if any(torn for _, torn in anchor_files):
        notes.append("some lines of the anchor files are no anchors: a crash while one was written, or somebody wrote into them")
    if anchor_files and not kept:
        notes.append("the anchor files hold no head of this ledger")
    return conclude(history, flaws, origin=origin, key_entries=bundle.key_entries, checkpoints=checkpoints, anchors=kept, held=held, notes=notes)


def _held_keys(options: Iterable[str]) -> set[str]:
    held = set()
    for option in options:
        text = Path(option).read_text(encoding="utf-8") if Path(option).exists() else option
        for line in text.split():
            read_verifier(line)
            held.add(line)
    return held


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Check an exported Pilotage ledger.")
    parser.add_argument("bundle", type=Path, help="folder or zip made by the export")
    parser.add_argument("--anchor", type=Path, action="append", default=[], metavar="FILE", help="a file of heads that was kept elsewhere")
    parser.add_argument("--key", action="append", default=[], metavar="KEY", help="a public key you hold: a file, or the text itself")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args(arguments)
    try:
        result = verify_bundle(options.bundle, anchors=options.anchor, held=_held_keys(options.key))
    except (ValueError, KeyError, TypeError, OSError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        print(_printable(f"This cannot be verified: {error}"), file=sys.stderr)
        return 1
    print(json.dumps(result.to_dict()) if options.json else result)
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main())
