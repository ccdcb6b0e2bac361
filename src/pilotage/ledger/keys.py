"""Signing keys: where they lie, which are trusted here, and how one follows another.

A key never lies in the workspace: whoever can rewrite the ledger must not be able to sign it. The key folder holds, for each workspace, the private
key (``<workspace>.key``, readable by its owner only) and the public keys this machine trusts (``<workspace>.pub``, one a line).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pilotage.core import InputError, Refused, load_settings
from pilotage.ledger.verify import key_number, key_text, origin_of, read_verifier, verifier_text, write_note
from pilotage.store import Workspace

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class SigningKey:
    """A private Ed25519 key that signs under a ledger's name."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self.name = name
        self._private = private
        self._public = private.public_key().public_bytes_raw()

    @property
    def public(self) -> str:
        """The public key as one line."""
        return verifier_text(self.name, self._public)

    @property
    def key_id(self) -> str:
        """Eight hexadecimal characters that name the key."""
        return key_number(self.name, self._public).hex()

    def sign(self, text: str) -> tuple[str, bytes, bytes]:
        """The signature of ``text``, as a note takes it."""
        return self.name, key_number(self.name, self._public), self._private.sign(text.encode())


def key_folder(workspace: Workspace, *, key_dir: Path | str | None = None) -> Path:
    """The folder of keys, made if it is missing.

    Raises
    ------
    Refused
        If it lies inside the workspace, or others may write to it.
    """
    folder = _folder(key_dir)
    if "://" not in workspace.location:
        home = Path(workspace.location).expanduser().resolve()
        if folder.resolve().is_relative_to(home):
            raise Refused(
                "The signing key must not lie inside the workspace.",
                where=str(folder),
                why="whoever can rewrite the ledger could then sign what they wrote",
                mend="set key_dir (PILOTAGE_KEY_DIR) to a folder elsewhere",
            )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.name == "posix" and folder.stat().st_mode & 0o022:
        raise Refused(
            "Others may write to the folder of signing keys.",
            where=str(folder),
            why="they could put a key of their own in place of yours",
            mend=f"chmod go-w {folder}, and look whether the keys in it are yours",
        )
    return folder


def held_keys(workspace_id: str, *, key_dir: Path | str | None = None) -> frozenset[str]:
    """The public keys that this machine trusts for the workspace; none if it never signed and was given none."""
    file = _folder(key_dir) / f"{workspace_id}.pub"
    if not file.exists():
        return frozenset()
    held = file.read_text(encoding="utf-8").split()
    for line in held:
        try:
            read_verifier(line)
        except ValueError as error:
            raise InputError("A trusted public key cannot be read.", where=str(file), mend="restore the file, or remove the line") from error
    return frozenset(held)


def load_key(workspace_id: str, *, folder: Path, waiting: bool = False) -> SigningKey | None:
    """The workspace's private key, or None if this machine holds none. ``waiting``: the one that a rotation has made but not put in place yet."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    file = _key_file(workspace_id, folder=folder, waiting=waiting)
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    if os.name == "posix" and file.stat().st_mode & 0o077:
        raise Refused(
            "The signing key can be read by others.",
            where=str(file),
            why="anybody who can read it can sign a forged ledger",
            mend=f"chmod 600 {file}, and rotate the key if somebody may have read it",
        )
    try:
        private = load_pem_private_key(data, password=None)
    except ValueError as error:
        raise InputError("The signing key cannot be read.", where=str(file), mend="restore it from a backup") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError("The signing key is not an Ed25519 key.", where=str(file))
    return SigningKey(origin_of(workspace_id), private)


def make_key(workspace_id: str) -> SigningKey:
    """A new key, in memory only."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return SigningKey(origin_of(workspace_id), Ed25519PrivateKey.generate())


def keep_key(workspace_id: str, key: SigningKey, *, folder: Path, waiting: bool = False) -> None:
    """Write the private key where :func:`load_key` finds it. It is never readable by others, not even while it is being written.

    A key that is in place is never overwritten: of two processes that make the first key, one wins.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    data = key._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(_key_file(workspace_id, folder=folder, waiting=waiting), data, replace=waiting)


def promote_key(workspace_id: str, *, folder: Path) -> None:
    """Put the waiting key in place of the old one, whose private half is gone with that."""
    _key_file(workspace_id, folder=folder, waiting=True).replace(_key_file(workspace_id, folder=folder, waiting=False))


def trust_key(workspace_id: str, public: str, *, folder: Path) -> None:
    """Add a public key to those this machine trusts for the workspace."""
    file = folder / f"{workspace_id}.pub"
    lines = file.read_text(encoding="utf-8").split() if file.exists() else []
    if public not in lines:
        _write(file, "".join(f"{line}\n" for line in [*lines, public]).encode())


def change_note(old: SigningKey | None, new: SigningKey, *, before: str | None) -> str:
    """The signed note of a ledger's key entry: ``new`` follows ``before``; signed by the new key and, where it is at hand, by the old one."""
    text = key_text(new.name, key=new.public, previous=before)
    return write_note(text, [key.sign(text) for key in (old, new) if key is not None])


def _key_file(workspace_id: str, *, folder: Path, waiting: bool) -> Path:
    return folder / f"{workspace_id}{'.new.key' if waiting else '.key'}"


def _folder(key_dir: Path | str | None) -> Path:
    return Path(key_dir if key_dir is not None else load_settings().key_dir).expanduser()


def _write(file: Path, data: bytes, *, replace: bool = True) -> None:
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".new-")  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        if replace:
            Path(temporary).replace(file)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(temporary, file)
    finally:
        Path(temporary).unlink(missing_ok=True)
