from __future__ import annotations

import pytest

from pilotage.core import InputError, Refused
from pilotage.people import PERMISSIONS, ROLES, Account, may, require, require_another_person, require_role


def person(*roles: str) -> Account:
    return Account(id="acc_1", login="ana", display_name="Ana", roles=frozenset(roles))


def test_every_permission_belongs_to_roles_that_exist_and_to_at_least_one() -> None:
    for permission, roles in PERMISSIONS.items():
        assert roles, permission
        assert roles <= set(ROLES), permission


def test_an_admin_looks_after_accounts_and_does_not_decide() -> None:
    admin = person("admin")
    assert may(admin, "people")
    assert not any(may(admin, permission) for permission in ("review", "run", "gate", "waive", "sign", "export"))


def test_only_admins_manage_people_and_auditors_change_nothing_but_their_signature() -> None:
    assert {role for role in ROLES if may(person(role), "people")} == {"admin"}
    assert {permission for permission in PERMISSIONS if may(person("auditor"), permission)} == {"view", "ledger", "verify", "sign"}


def test_roles_add_up_and_no_role_gives_nothing() -> None:
    assert may(person("reviewer", "operator"), "review")
    assert may(person("reviewer", "operator"), "run")
    assert not any(may(person(), permission) for permission in PERMISSIONS)


def test_a_refusal_says_who_may() -> None:
    with pytest.raises(Refused, match="permission 'run'") as caught:
        require(person("auditor"), "run")
    assert "operator or owner" in str(caught.value.mend)
    require(person("owner"), "run")


def test_a_role_is_required_by_name() -> None:
    require_role(person("auditor"), "owner", "auditor")
    with pytest.raises(Refused):
        require_role(person("auditor"), "owner")
    with pytest.raises(InputError):
        require_role(person("owner"), "captain")


def test_nobody_approves_their_own_work() -> None:
    with pytest.raises(Refused, match="cannot approve"):
        require_another_person(person("owner"), author="Ana")
    require_another_person(person("owner"), author="ben")
