from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from pilotage.core import ManualClock, Refused
from pilotage.ledger import entries
from pilotage.people import Account, authenticate, passwords
from pilotage.people.signing_in import FREE_ATTEMPTS, LONGEST_WAIT_S, wait_after
from pilotage.people.tables import account, sign_in_failure
from pilotage.store import Workspace

from .conftest import PASSWORD


def fail(workspace: Workspace, login: str, times: int = 1) -> str:
    """Try with a wrong password; what was said the last time."""
    said = ""
    for _ in range(times):
        with pytest.raises(Refused) as caught:
            authenticate(workspace, login, password="wrong")
        said = str(caught.value)
    return said


def test_the_right_password_signs_in(workspace: Workspace, ana: Account) -> None:
    assert authenticate(workspace, " ANA", password=PASSWORD) == ana
    assert authenticate(workspace, login="ana", password=PASSWORD) == ana


def test_a_wrong_password_and_an_unknown_login_are_answered_alike(workspace: Workspace, ana: Account) -> None:
    assert fail(workspace, "ana") == fail(workspace, "nobody-of-that-name")


def test_an_unknown_login_costs_the_same_work(workspace: Workspace, ana: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            done.append(str(hash).rpartition("$")[0].rpartition("$")[0])
            return super().verify(hash, password)

    hasher = Counting(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: hasher)
    fail(workspace, "ana")
    fail(workspace, "nobody")
    assert len(done) == 2
    assert done[0] == done[1]  # one algorithm with the same parameters


@pytest.mark.parametrize("login", ["ana", "nobody"])
def test_after_five_failures_a_login_must_wait_known_or_not(workspace: Workspace, ana: Account, clock: ManualClock, login: str) -> None:
    fail(workspace, login, FREE_ATTEMPTS)
    assert "try again in 30 seconds" in fail(workspace, login)
    clock.advance(29)
    assert "try again in 1 seconds" in fail(workspace, login)
    clock.advance(1)
    assert "wrong" in fail(workspace, login)
    assert "try again in 60 seconds" in fail(workspace, login)


def test_while_a_login_waits_even_the_right_password_is_refused_and_then_it_counts_anew(
    workspace: Workspace, ana: Account, clock: ManualClock
) -> None:
    fail(workspace, "ana", FREE_ATTEMPTS)
    with pytest.raises(Refused, match="too many"):
        authenticate(workspace, "ana", password=PASSWORD)
    clock.advance(30)
    assert authenticate(workspace, "ana", password=PASSWORD) == ana
    assert "wrong" in fail(workspace, "ana", FREE_ATTEMPTS)


def test_one_login_waits_alone(workspace: Workspace, ana: Account, ben: Account) -> None:
    fail(workspace, "ana", FREE_ATTEMPTS + 1)
    assert authenticate(workspace, "ben", password=PASSWORD) == ben


def test_many_guesses_at_once_gain_nothing(workspace: Workspace, ana: Account) -> None:
    def guess(number: int) -> str:
        with pytest.raises(Refused) as caught:
            authenticate(workspace, "ana", password=f"guess {number}")
        return caught.value.what

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(guess, range(20)))
    assert sum("wrong" in answer for answer in said) == FREE_ATTEMPTS


def test_five_failures_are_in_the_ledger_once_and_only_for_logins_that_exist(workspace: Workspace, ana: Account) -> None:
    fail(workspace, "ana", FREE_ATTEMPTS + 3)
    fail(workspace, "my secret typed into the wrong box", FREE_ATTEMPTS + 3)
    (entry,) = entries(workspace, type="account.attempts")
    assert (entry.subject, entry.body) == (ana.id, {"attempts": FREE_ATTEMPTS})
    with workspace.read() as conn:
        assert "my secret" not in str(conn.execute(select(sign_in_failure).where(sign_in_failure.c.workspace_id == workspace.id)).all())


def test_a_hash_of_weaker_parameters_is_renewed_at_the_next_sign_in(workspace: Workspace, ana: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    stronger = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: stronger)
    authenticate(workspace, "ana", password=PASSWORD)
    with workspace.read() as conn:
        assert ",t=2," in str(conn.execute(select(account.c.password_hash).where(account.c.workspace_id == workspace.id)).scalar())
    assert authenticate(workspace, "ana", password=PASSWORD).login == "ana"


@given(st.integers(0, 10_000))
def test_the_wait_grows_and_is_bounded(failures: int) -> None:
    assert 0 <= wait_after(failures) <= wait_after(failures + 1) <= LONGEST_WAIT_S


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_password_matches_itself_and_no_other(one: str, other: str) -> None:
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    settle = passwords._settle
    assert passwords.password_matches(one, hasher.hash(settle(one)))
    assert passwords.password_matches(other, hasher.hash(settle(one))) == (settle(one) == settle(other))
    assert not passwords.password_matches(one, None)
