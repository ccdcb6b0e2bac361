from __future__ import annotations

import pytest

from pilotage.core import Conflict, InputError, NotFound, Refused
from pilotage.ledger import entries
from pilotage.people import (
    ROLES,
    Account,
    accounts,
    add_account,
    authenticate,
    change_password,
    disable_account,
    find_account,
    find_session,
    find_token,
    has_accounts,
    issue_token,
    local_account,
    open_session,
    set_roles,
)
from pilotage.store import Workspace

from .conftest import PASSWORD


def test_without_accounts_one_local_person_holds_every_role(workspace: Workspace) -> None:
    person = local_account(workspace)
    assert (person.login, person.roles, person.local) == ("tester", frozenset(ROLES), True)
    assert not has_accounts(workspace)


def test_from_the_first_account_on_the_local_person_is_gone_even_if_it_is_disabled(workspace: Workspace, ana: Account) -> None:
    disable_account(workspace, ana)
    assert has_accounts(workspace)
    with pytest.raises(Refused):
        local_account(workspace)


def test_an_account_is_found_by_its_login_in_any_case(workspace: Workspace, ana: Account, ben: Account) -> None:
    assert find_account(workspace, " Ana ") == ana
    assert ben.display_name == "ben"
    assert accounts(workspace) == [ana, ben]
    with pytest.raises(NotFound):
        find_account(workspace, "eve")


def test_a_login_is_given_once(workspace: Workspace, ana: Account) -> None:
    with pytest.raises(Conflict):
        add_account(workspace, login="ANA", roles=["auditor"], password=PASSWORD)
    assert accounts(workspace) == [ana]


@pytest.mark.parametrize("login", ["", "a b", "../x", "-a", "é", "a" * 65, "a\n"])
def test_a_login_that_cannot_be_is_refused(workspace: Workspace, login: str) -> None:
    if login == "a\n":
        login = "a\nb"
    with pytest.raises(InputError):
        add_account(workspace, login=login, roles=["auditor"], password=PASSWORD)
    assert not has_accounts(workspace)


@pytest.mark.parametrize("roles", [[], ["captain"], ["owner", "captain"]])
def test_roles_that_do_not_exist_are_refused(workspace: Workspace, roles: list[str]) -> None:
    with pytest.raises(InputError):
        add_account(workspace, login="ana", roles=roles, password=PASSWORD)


@pytest.mark.parametrize("password", ["short", "x" * 30, "ana", "ana-ana-ana-ana", "anaanaanaana1", "p" * 1025])
def test_a_password_that_is_easy_to_guess_is_refused_and_never_repeated(workspace: Workspace, password: str) -> None:
    with pytest.raises(InputError) as caught:
        add_account(workspace, login="ana", roles=["owner"], password=password)
    assert password not in str(caught.value) or password == "ana"
    assert not has_accounts(workspace)


def test_only_an_admin_manages_others(workspace: Workspace, ana: Account, ben: Account) -> None:
    for act in (
        lambda: add_account(workspace, login="eve", roles=["admin"], password=PASSWORD, by=ben),
        lambda: set_roles(workspace, ben, roles=["admin"], by=ben),
        lambda: disable_account(workspace, ana, by=ben),
        lambda: change_password(workspace, ana, password="another harbour at dusk", by=ben),
        lambda: issue_token(workspace, ana, name="mine now", by=ben),
    ):
        with pytest.raises(Refused):
            act()
    assert set_roles(workspace, ben, roles=["auditor"], by=ana).roles == {"auditor"}


def test_two_admins_with_the_same_form_open_do_not_overwrite_each_other(workspace: Workspace, ana: Account, ben: Account) -> None:
    set_roles(workspace, ben, roles=["auditor"], by=ana)
    with pytest.raises(Conflict):
        set_roles(workspace, ben, roles=["operator"], by=ana)
    assert find_account(workspace, "ben").roles == {"auditor"}


def test_disabling_ends_sessions_and_tokens_and_keeps_the_account(workspace: Workspace, ana: Account, ben: Account) -> None:
    session, token = open_session(workspace, account_id=ben.id), issue_token(workspace, ben, name="ci")
    done = disable_account(workspace, ben, by=ana)
    assert done.disabled_at is not None
    assert disable_account(workspace, ben, by=ana) == done
    assert find_session(workspace, session.token) is None
    assert find_token(workspace, token.token) is None
    with pytest.raises(Refused):
        authenticate(workspace, "ben", password=PASSWORD)
    with pytest.raises(NotFound):
        open_session(workspace, account_id=ben.id)
    with pytest.raises(NotFound):
        issue_token(workspace, ben, name="ci")


def test_a_new_password_ends_sessions_and_the_old_password(workspace: Workspace, ben: Account) -> None:
    session = open_session(workspace, account_id=ben.id)
    change_password(workspace, ben, password="another harbour at dusk", by=ben)
    assert find_session(workspace, session.token) is None
    with pytest.raises(Refused):
        authenticate(workspace, "ben", password=PASSWORD)
    assert authenticate(workspace, "ben", password="another harbour at dusk").login == "ben"


def test_the_ledger_tells_of_every_change_and_of_no_secret(workspace: Workspace, ana: Account, ben: Account) -> None:
    session, token = open_session(workspace, account_id=ben.id), issue_token(workspace, ben, name="ci", by=ana)
    set_roles(workspace, ben, roles=["auditor"], by=ana)
    told = entries(workspace)
    assert [entry.type for entry in told if entry.type.startswith("account.")] == [
        "account.added",
        "account.added",
        "account.signed_in",
        "account.token_issued",
        "account.roles",
    ]
    assert told[-1].actor == "ana"
    everything = "".join(str(entry) for entry in told)
    for secret in (PASSWORD, session.token, session.csrf_token, token.token, "argon2", "Ana Lima"):
        assert secret not in everything
