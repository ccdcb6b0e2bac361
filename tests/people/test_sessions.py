from __future__ import annotations

import pytest
from sqlalchemy import select

from pilotage.core import InputError, ManualClock, NotFound, Refused
from pilotage.people import (
    Account,
    check_csrf,
    close_session,
    find_session,
    find_token,
    issue_token,
    open_session,
    revoke_token,
    tokens,
)
from pilotage.people.tables import account_session, api_token
from pilotage.store import Workspace


def test_a_session_is_found_by_its_token_until_it_ends(workspace: Workspace, ana: Account, clock: ManualClock) -> None:
    opened = open_session(workspace, account_id=ana.id, hours=1)
    found = find_session(workspace, opened.token)
    assert found == opened
    clock.advance(3599)
    assert find_session(workspace, opened.token) is not None
    clock.advance(1)
    assert find_session(workspace, opened.token) is None


def test_closing_a_session_ends_it_and_only_it(workspace: Workspace, ana: Account) -> None:
    one, other = open_session(workspace, account_id=ana.id), open_session(workspace, account_id=ana.id)
    close_session(workspace, one.token)
    close_session(workspace, one.token)
    assert find_session(workspace, one.token) is None
    assert find_session(workspace, other.token) is not None


def test_tokens_that_were_never_given_open_nothing(workspace: Workspace, ana: Account) -> None:
    opened = open_session(workspace, account_id=ana.id)
    issued = issue_token(workspace, ana, name="ci")
    for token in ("", "x", opened.token[:-1], opened.token.swapcase(), issued.token, issued.id, "\ud800", "\0"):
        assert find_session(workspace, token) is None
    for token in ("", "plt_", opened.token, "plt_" + opened.token, issued.id, issued.token[:-1], "plt_\ud800"):
        assert find_token(workspace, token) is None


def test_ended_sessions_are_cleared_away(workspace: Workspace, ana: Account, clock: ManualClock) -> None:
    for _ in range(3):
        open_session(workspace, account_id=ana.id, hours=1)
        clock.advance(3601)
    with workspace.read() as conn:
        assert len(conn.execute(select(account_session).where(account_session.c.workspace_id == workspace.id)).all()) == 1


def test_no_token_is_stored_or_shown_by_accident(workspace: Workspace, ana: Account) -> None:
    opened, issued = open_session(workspace, account_id=ana.id), issue_token(workspace, ana, name="ci")
    with workspace.read() as conn:
        stored = str(conn.execute(select(account_session).where(account_session.c.workspace_id == workspace.id)).all()) + str(
            conn.execute(select(api_token).where(api_token.c.workspace_id == workspace.id)).all()
        )
    shown = repr(opened) + str(opened) + repr(issued) + str(issued)
    for secret in (opened.token, issued.token):
        assert secret not in stored + shown
    assert opened.csrf_token not in shown
    assert len({opened.token, opened.csrf_token, issued.token}) == 3


def test_a_session_knows_its_csrf_token(workspace: Workspace, ana: Account) -> None:
    one, other = open_session(workspace, account_id=ana.id), open_session(workspace, account_id=ana.id)
    assert check_csrf(one, one.csrf_token)
    for token in ("", other.csrf_token, "é", "\ud800"):
        assert not check_csrf(one, token)


def test_a_session_for_nobody_is_refused(workspace: Workspace) -> None:
    with pytest.raises(NotFound):
        open_session(workspace, account_id="acc_none")


def test_an_api_token_acts_for_its_account_until_it_expires_or_is_revoked(workspace: Workspace, ana: Account, clock: ManualClock) -> None:
    first, second = issue_token(workspace, ana, name="ci", valid_days=1), issue_token(workspace, ana, name="laptop", valid_days=2)
    assert first.token.startswith("plt_")
    assert find_token(workspace, first.token) == ana
    revoke_token(workspace, second.id)
    revoke_token(workspace, second.id)
    assert find_token(workspace, second.token) is None
    clock.advance(24 * 3600)
    assert find_token(workspace, first.token) is None
    assert {token.name: token.revoked_at is not None for token in tokens(workspace, ana)} == {"ci": False, "laptop": True}


def test_api_tokens_that_cannot_be_are_refused(workspace: Workspace, ana: Account, ben: Account) -> None:
    for options in ({"name": " "}, {"name": "x" * 101}, {"name": "ci", "valid_days": 0}, {"name": "ci", "valid_days": 4000}):
        with pytest.raises(InputError):
            issue_token(workspace, ana, **options)
    issued = issue_token(workspace, ana, name="ci", by=ana)
    with pytest.raises(Refused):
        revoke_token(workspace, issued.id, by=ben)
    with pytest.raises(NotFound):
        revoke_token(workspace, "none", by=ana)
    revoke_token(workspace, issued.id, by=ana)
