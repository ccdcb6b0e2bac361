"""Webhooks: what is told to whom, in which order, signed, tried again, given up, and never to the wrong address."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pilotage.client import check_signature
from pilotage.core import InputError, ManualClock, NotFound, Refused, SystemClock
from pilotage.judging import Item, Option, Question, Rubric, person
from pilotage.ledger import create_workspace, entries, open_workspace
from pilotage.review import answer, claim, put_task
from pilotage.review.webhooks import EVENTS, Secrets, add_webhook, dead_letters, emit, remove_webhook, send_due, sign, webhooks
from pilotage.review.webhooks.addresses import check_literal, is_public
from pilotage.review.webhooks.sending import LONGEST_WAIT_S, MOST_TRIES, wait_s
from pilotage.store import Workspace


class Receiver:
    """A server on loopback that keeps what it is told and answers as it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.send_header("location", "http://127.0.0.1:1/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?key=theirs"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def timed(location: str, clock: ManualClock) -> Iterator[Workspace]:
    with create_workspace(location, actor="tester", clock=clock) as opened:
        yield opened


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return Secrets(tmp_path / "keys", {"HOOK_SECRET": "a secret of some length"})


def happen(workspace: Workspace, *subjects: str, event: str = "alarm.raised", project: str = "p") -> None:
    for subject in subjects:
        workspace.write(lambda tx, subject=subject: emit(tx, event, subject=subject, project=project, data={"n": 1}))  # type: ignore[misc]


def test_what_happened_is_told_signed_and_in_order(timed: Workspace, receiver: Receiver, secrets: Secrets, clock: ManualClock) -> None:
    hook = add_webhook(timed, receiver.url, ["alarm.raised"], secrets=secrets, private=True)
    happen(timed, "a", "b", "c")
    assert str(send_due(timed, secrets=secrets)) == "3 delivered, 0 to be tried again, 0 given up, 0 waiting"
    assert [told["subject"] for told in receiver.told()] == ["a", "b", "c"]
    headers, body = receiver.got[0]
    now_s = clock.now_us() // 1_000_000
    check_signature(hook.secret, headers["x-pilotage-signature"], body, now_s=now_s)
    assert headers["x-pilotage-delivery"] == json.loads(body)["id"] and headers["x-pilotage-event"] == "alarm.raised"
    with pytest.raises(Refused, match="too old"):
        check_signature(hook.secret, headers["x-pilotage-signature"], body, now_s=now_s + 301)
    with pytest.raises(Refused, match="does not fit"):
        check_signature(hook.secret, headers["x-pilotage-signature"], body + b" ", now_s=now_s)
    with pytest.raises(Refused, match="does not fit"):
        check_signature("another secret!!", headers["x-pilotage-signature"], body, now_s=now_s)
    for header in ("", "v1=00", "t=x,v1=00", "t=9999999999999,v1=00"):
        with pytest.raises(Refused):
            check_signature(hook.secret, header, body, now_s=now_s)
    assert send_due(timed, secrets=secrets).delivered == 0


def test_an_event_and_its_delivery_exist_both_or_not_at_all(timed: Workspace, receiver: Receiver, secrets: Secrets) -> None:
    add_webhook(timed, receiver.url, ["alarm.raised"], secrets=secrets, private=True)

    def fails(tx: Any) -> None:
        emit(tx, "alarm.raised", subject="a", project="p", data={})
        raise InputError("no")

    with pytest.raises(InputError):
        timed.write(fails)
    assert send_due(timed, secrets=secrets).delivered == 0 and not receiver.got


def test_only_the_events_and_the_project_subscribed_to_are_told(timed: Workspace, receiver: Receiver, secrets: Secrets) -> None:
    add_webhook(timed, receiver.url, ["alarm.raised"], secrets=secrets, project="p", private=True)
    happen(timed, "other-event", event="task.escalated")
    happen(timed, "other-project", project="q")
    happen(timed, "mine")
    send_due(timed, secrets=secrets)
    assert [told["subject"] for told in receiver.told()] == ["mine"]


def test_an_answered_task_and_a_finished_project_are_told(timed: Workspace, receiver: Receiver, secrets: Secrets) -> None:
    add_webhook(timed, receiver.url, ["task.done", "project.finished"], secrets=secrets, private=True)
    rubric = Rubric("r", (Question("good", "Good?", "choice", options=(Option("yes"), Option("no"))),), "Be kind.")
    timed.write(lambda tx: [put_task(tx, "p", Item("record", str(n), {"text": "secret text"}), rubric, ["labelling"]) for n in range(2)])
    for n in range(2):
        (task,) = claim(timed, "p", person("ada"), 1)
        answer(timed, task.task_id, person("ada"), {"good": "yes"}, idempotency_key=f"k{n}")
    send_due(timed, secrets=secrets)
    assert [(told["event"], told["data"].get("left")) for told in receiver.told()] == [("task.done", 1), ("task.done", 0), ("project.finished", None)]
    assert all(b"secret text" not in body and b"ada" not in body for _, body in receiver.got)


def test_a_failure_holds_back_what_stands_behind_it_and_waits_longer_each_time(
    timed: Workspace, receiver: Receiver, secrets: Secrets, clock: ManualClock
) -> None:
    add_webhook(timed, receiver.url, ["alarm.raised"], secrets=secrets, private=True)
    happen(timed, "a", "b")
    receiver.status = 500
    assert str(send_due(timed, secrets=secrets)) == "0 delivered, 1 to be tried again, 0 given up, 2 waiting"
    assert send_due(timed, secrets=secrets).failed == 0
    clock.advance(wait_s(1) + 1)
    receiver.status = 204
    assert send_due(timed, secrets=secrets).delivered == 2
    assert [told["subject"] for told in receiver.told()] == ["a", "a", "b"]
    waits = [wait_s(tries) for tries in range(1, 40)]
    assert waits == sorted(waits) and waits[0] < waits[1] and waits[-1] == LONGEST_WAIT_S


def test_what_cannot_be_delivered_is_given_up_with_its_reason_and_the_rest_goes_on(
    timed: Workspace, receiver: Receiver, secrets: Secrets, clock: ManualClock
) -> None:
    hook = add_webhook(timed, receiver.url, ["alarm.raised"], secrets=secrets, private=True)
    happen(timed, "a", "b")
    receiver.status = 302
    for _ in range(MOST_TRIES):
        send_due(timed, secrets=secrets, most=1)
        clock.advance(LONGEST_WAIT_S + 1)
    (letter,) = dead_letters(timed, hook.id)
    assert letter.tries == MOST_TRIES and letter.reason == "HTTP 302: redirects are not followed"
    assert "/elsewhere" not in {headers.get("path") for headers, _ in receiver.got} and len(receiver.got) == MOST_TRIES
    receiver.status = 200
    send_due(timed, secrets=secrets)
    assert receiver.told()[-1]["subject"] == "b"
    assert [entry.type for entry in entries(timed) if entry.type.startswith("webhook")] == ["webhook.added", "webhook.given_up"]


def test_one_that_fails_does_not_hold_back_another(timed: Workspace, receiver: Receiver, secrets: Secrets) -> None:
    with socket.socket() as held:  # nobody listens there
        held.bind(("127.0.0.1", 0))
        add_webhook(timed, f"http://127.0.0.1:{held.getsockname()[1]}/", ["alarm.raised"], secrets=secrets, private=True)
    add_webhook(timed, receiver.url, ["alarm.raised"], secrets=secrets, private=True)
    happen(timed, "a")
    sent = send_due(timed, secrets=secrets)
    assert (sent.delivered, sent.failed) == (1, 1)


def test_two_senders_at_once_tell_each_thing_once_and_in_order(timed: Workspace, receiver: Receiver, secrets: Secrets) -> None:
    add_webhook(timed, receiver.url, ["alarm.raised"], secrets=secrets, private=True)
    happen(timed, *(str(n) for n in range(8)))
    threads = [threading.Thread(target=send_due, args=(timed,), kwargs={"secrets": secrets}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    send_due(timed, secrets=secrets)
    assert [told["subject"] for told in receiver.told()] == [str(n) for n in range(8)]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://",
        "https://ada:pw@example.org/",
        "https://example.org/#f",
        "https://exa mple.org/",
        "https://example.org/\n",
        "javascript:alert(1)",
        "https://example.org/" + "x" * 3000,
    ],
)
def test_an_address_that_is_none_is_refused(timed: Workspace, secrets: Secrets, url: str) -> None:
    with pytest.raises(InputError):
        add_webhook(timed, url, ["alarm.raised"], secrets=secrets)
    assert not webhooks(timed) and not list(secrets.key_dir.glob("webhooks/*"))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "LOCALHOST.", "a.localhost", "10.0.0.1", "192.168.1.1", "169.254.169.254", "[::1]", "[fd00::1]", "0"),
        *(
            "127.1",
            "0x7f000001",
            "2130706433",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "100.64.0.1",
            "224.0.0.1",
            "[fe80::1]",
            "0.0.0.0",
            "[2002:7f00:1::]",
        ),
    ],
)
def test_a_private_address_is_refused_however_it_is_written(timed: Workspace, secrets: Secrets, host: str) -> None:
    with pytest.raises(Refused):
        add_webhook(timed, f"http://{host}/", ["alarm.raised"], secrets=secrets)
    check_literal("example.org", private=False)
    check_literal(host, private=True)
    assert is_public("1.1.1.1") and is_public("2606:4700::1111")


def test_a_name_that_leads_into_a_private_network_is_refused_when_it_is_looked_up(
    timed: Workspace, receiver: Receiver, secrets: Secrets, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    import aiohttp

    async def leads_home(self: Any, host: str, port: int = 0, family: Any = 0) -> list[dict[str, Any]]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", leads_home)
    hook = add_webhook(timed, receiver.url.replace("127.0.0.1", "rebound.example.org"), ["alarm.raised"], secrets=secrets)
    happen(timed, "a")
    for _ in range(MOST_TRIES):
        send_due(timed, secrets=secrets)
        clock.advance(LONGEST_WAIT_S + 1)
    assert not receiver.got
    assert "private network" in dead_letters(timed, hook.id)[0].reason


def test_secrets_are_in_no_table_no_entry_and_no_text(
    timed: Workspace, receiver: Receiver, secrets: Secrets, caplog: pytest.LogCaptureFixture
) -> None:
    made = add_webhook(timed, receiver.url, ["alarm.raised"], secrets=secrets, private=True)
    named = add_webhook(timed, receiver.url, ["alarm.raised"], secrets=secrets, secret_env="HOOK_SECRET", private=True)
    happen(timed, "a")
    assert send_due(timed, secrets=secrets).delivered == 2
    kept = secrets.key_dir / "webhooks" / made.id
    assert kept.stat().st_mode & 0o077 == 0 and len(made.secret) >= 32 and named.secret == ""
    from pilotage.store.schema import metadata

    with timed.read() as conn:
        everything = "".join(str(row) for table in metadata.sorted_tables for row in conn.execute(table.select()))
    for secret in (made.secret, "a secret of some length"):
        assert secret not in everything + caplog.text + repr(made) + str(made.to_dict()) + str(webhooks(timed))
    assert "theirs" not in "".join(str(entry.body) for entry in entries(timed))  # nor what the receiver's address holds


def test_a_missing_or_short_secret_sends_nothing(timed: Workspace, receiver: Receiver, secrets: Secrets, clock: ManualClock) -> None:
    add_webhook(timed, receiver.url, ["alarm.raised"], secrets=secrets, secret_env="NOT_SET", private=True)
    add_webhook(timed, receiver.url, ["alarm.raised"], secrets=secrets, secret_env="SHORT", private=True)
    happen(timed, "a")
    assert send_due(timed, secrets=Secrets(secrets.key_dir, {"SHORT": "x"})).failed == 2 and not receiver.got
    with pytest.raises(InputError, match="environment variable"):
        add_webhook(timed, receiver.url, ["alarm.raised"], secrets=secrets, secret_env="not a name", private=True)


def test_a_removed_webhook_is_told_nothing_more(timed: Workspace, receiver: Receiver, secrets: Secrets) -> None:
    hook = add_webhook(timed, receiver.url, ["alarm.raised"], secrets=secrets, private=True)
    happen(timed, "a")
    remove_webhook(timed, hook.id, secrets=secrets)
    assert send_due(timed, secrets=secrets).delivered == 0 and not webhooks(timed)
    assert dead_letters(timed)[0].reason == "the webhook was removed"
    with pytest.raises(NotFound):
        remove_webhook(timed, hook.id, secrets=secrets)


def test_unknown_events_are_refused(timed: Workspace, receiver: Receiver, secrets: Secrets) -> None:
    for events in ([], ["nothing.happened"]):
        with pytest.raises(InputError, match="events"):
            add_webhook(timed, receiver.url, events, secrets=secrets, private=True)
    with pytest.raises(InputError, match="event"):
        happen(timed, "a", event="nothing.happened")
    assert all(text for text in EVENTS.values()) and sign("s", b"x", at_s=1).startswith("t=1,v1=")


KILLED = """
import os, signal, sys
from pathlib import Path
from pilotage.ledger import open_workspace
from pilotage.review.webhooks import Secrets, sending, send_due

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

sending._settle = die
with open_workspace(sys.argv[1], actor="sender") as workspace:
    send_due(workspace, secrets=Secrets(Path(sys.argv[2])))
"""


@pytest.mark.crash
def test_one_that_was_sent_as_the_sender_was_killed_is_sent_again_with_the_same_id(location: str, receiver: Receiver, tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "keys")
    with create_workspace(location, actor="tester") as workspace:
        add_webhook(workspace, receiver.url, ["alarm.raised"], secrets=secrets, private=True)
        happen(workspace, "a", "b")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", KILLED, location, str(secrets.key_dir)], env=environment, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert len(receiver.got) == 1
    later = ManualClock(SystemClock().now_us())
    with open_workspace(location, actor="tester", clock=later) as workspace:
        assert send_due(workspace, secrets=secrets).delivered == 0  # the dead sender's lease still runs
        later.advance(61)
        assert send_due(workspace, secrets=secrets).delivered == 2
    told = receiver.told()
    assert [each["subject"] for each in told] == ["a", "a", "b"] and told[0]["id"] == told[1]["id"] != told[2]["id"]


def test_a_task_that_is_handed_on_is_told(timed: Workspace, receiver: Receiver, secrets: Secrets) -> None:
    from pilotage.review import escalate

    add_webhook(timed, receiver.url, ["task.escalated"], secrets=secrets, private=True)
    rubric = Rubric("r", (Question("good", "Good?", "choice", options=(Option("yes"), Option("no"))),), "Be kind.")
    timed.write(lambda tx: put_task(tx, "p", Item("record", "1", {"text": "x"}), rubric, ["labelling"]))
    (task,) = claim(timed, "p", person("ada"), 1)
    escalate(timed, task.task_id, person("ada"), "too hard for me")
    send_due(timed, secrets=secrets)
    assert [told["event"] for told in receiver.told()] == ["task.escalated"] and b"too hard" not in receiver.got[0][1]
