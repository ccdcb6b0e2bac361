"""The verifier's own parts: signed notes and keys, against the published example, and malformed ones."""

from __future__ import annotations

import pytest

from pilotage.ledger.keys import make_key
from pilotage.ledger.verify import head_text, read_anchor_file, read_head, read_note, read_verifier, verifier_text, write_note

# The example in the documentation of Go's golang.org/x/mod/sumdb/note, which defined the format.
KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_published_note_is_signed_by_the_published_key() -> None:
    assert read_note(NOTE).signed_by(KEY)
    name, public = read_verifier(KEY)
    assert verifier_text(name, public) == KEY


def test_a_note_changed_in_one_letter_is_not_signed() -> None:
    assert not read_note(NOTE.replace("answer", "Answer")).signed_by(KEY)


def test_a_note_is_not_signed_by_another_key_of_the_same_name() -> None:
    key, other = make_key("ws"), make_key("ws")
    text = head_text("pilotage/ws", size=1, root=bytes(32), chain=bytes(32))
    note = write_note(text, [key.sign(text)])
    assert read_note(note).signed_by(key.public)
    assert not read_note(note).signed_by(other.public)
    assert write_note(read_note(note).text, read_note(note).signatures) == note


@pytest.mark.parametrize(
    "text",
    ["", "name", "name+c74f20a3+AAAA", KEY.replace("c74f", "c74e"), KEY.replace("Peter", "peter"), KEY[:-4] + "!!!!", "a+b"],
)
def test_a_malformed_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a public key"):
        read_verifier(text)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        NOTE[:-1],
        NOTE.replace("\u2014", "-"),
        NOTE.replace("x08go", "!!!!!"),
        NOTE.replace("PeterNeumann ", ""),
        "t\n\n\u2014 a AAAA\n",
    ],
)
def test_a_malformed_note_is_refused(note: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        read_note(note)


@pytest.mark.parametrize(
    ("old", "new"), [("\n7\n", "\n07\n"), ("\n7\n", "\n-7\n"), ("\n7\n", "\nx\n"), ("chain ", "chains "), ("AAA", ""), ("pilotage/ws\n", "")]
)
def test_a_malformed_head_is_refused(old: str, new: str) -> None:
    key = make_key("ws")
    text = head_text("pilotage/ws", size=7, root=bytes(32), chain=bytes(32))
    assert read_head(write_note(text, [key.sign(text)])).size == 7
    forged = text.replace(old, new, 1)
    with pytest.raises(ValueError, match="not a checkpoint"):
        read_head(write_note(forged, [key.sign(forged)]))


def test_an_anchor_file_is_read_line_by_line_and_what_is_none_is_counted() -> None:
    text = '{"origin":"a","note":"1"}\n\n{"origin":"b","note":"2"}\n{"origin":"a","note":"3"}\n[]\n{"origin":"a"}\n{"origin":"a","no'
    assert read_anchor_file(text, origin="a") == (["1", "3"], 3)
