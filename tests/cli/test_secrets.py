"""A key is read from the environment where it is used, and is nowhere else: not on the terminal, not in the workspace, not in the pilot's files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from terminal import Terminal

KEY = "sk-very-secret-0123456789abcdef"


class Echo(BaseHTTPRequestHandler):
    """A server that says the key it was given back, in every error, as careless ones do."""

    seen: list[str]

    def do_GET(self) -> None:
        self._say(200, '{"object": "list", "data": [{"id": "harbour-assistant"}]}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        sent = self.headers.get("Authorization", "")
        self.seen.append(sent)
        self._say(401, f'{{"error": {{"message": "Incorrect API key provided: {sent}"}}}}')

    def _say(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A run that stops hangs up on what is in flight."""


@pytest.fixture
def echo() -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []
    handler = type("Handler", (Echo,), {"seen": seen})
    server = QuietServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", seen
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_key_is_sent_to_the_target_and_is_found_nowhere_afterwards(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, echo: tuple[str, list[str]]
) -> None:
    url, seen = echo
    monkeypatch.setenv("TARGET_KEY", KEY)
    pilot = str(terminal.make_pilot())
    terminal("run", pilot, "--target", url, "--key-env", "TARGET_KEY", "--authorisation", "us", expect=None)
    assert f"Bearer {KEY}" in seen  # it was used
    terminal("status")
    terminal("status", "--json")
    terminal("show", pilot)
    listed = terminal("runs", "list").out
    for run in {word for word in listed.split() if word.startswith("run_")}:
        terminal("runs", "show", run)
    terminal("ledger", "list")
    terminal("ledger", "export", "bundle")
    assert "Incorrect API key" in b"".join(_files(terminal)).decode("utf-8", "replace")  # what the server said is kept
    assert KEY not in terminal.everything
    assert not [path for path in terminal.folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def _files(terminal: Terminal) -> list[bytes]:
    return [path.read_bytes() for path in terminal.workspace.rglob("*") if path.is_file()]


def test_a_key_written_where_its_name_belongs_is_not_repeated(terminal: Terminal) -> None:
    pilot = str(terminal.make_pilot())
    said = terminal.refused("run", pilot, "--key-env", KEY, code=2)
    assert "api_key_env" in said
    assert KEY not in said


def test_a_password_and_a_token_are_nowhere_in_the_workspace(terminal: Terminal) -> None:
    terminal("user", "add", "ines", "--role", "owner", "--password-stdin", typed="correct horse battery\n")
    token = terminal("user", "token", "ines", "--name", "build").out.strip()
    assert token.startswith("plt_")
    kept = b"".join(_files(terminal))
    assert b"correct horse battery" not in kept
    assert token.encode() not in kept
    assert token[4:].encode() not in kept
