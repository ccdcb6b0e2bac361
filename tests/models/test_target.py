"""Registration: nothing is tried without leave, and nothing is sent to a host nobody named."""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.core import InputError, NotFound, Refused
from pilotage.ledger import entries
from pilotage.models import Limits, TargetConfig, load_target, parse_target, register_target
from pilotage.store import Workspace


def declared(**fields: Any) -> TargetConfig:
    base: dict[str, Any] = {
        "name": "t",
        "url": "https://api.example.com/v1",
        "model": "m",
        "owner": "Ada",
        "authorisation": "ticket 12",
        "allow_hosts": ["api.example.com"],
    }
    return TargetConfig.model_validate({**base, **fields})


def test_a_registration_is_addressed_by_content_and_told_to_the_ledger_once(workspace: Workspace) -> None:
    first = register_target(workspace, declared())
    again = register_target(workspace, declared())
    other = register_target(workspace, declared(temperature=0.5))
    assert first == again
    assert other.id != first.id
    told = entries(workspace, type="target.registered")
    assert [entry.subject for entry in told] == [first.id, other.id]
    assert told[0].body["authorisation"] == "ticket 12"
    assert load_target(workspace, first.id) == first


def test_an_unknown_target_is_not_found(workspace: Workspace) -> None:
    with pytest.raises(NotFound):
        load_target(workspace, "tgt_none")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"owner": " "}, "owner"),
        ({"authorisation": ""}, "authorisation"),
        ({"allow_hosts": []}, "allow-list"),
        ({"allow_hosts": ["example.com"]}, "allow-list"),  # a parent domain is another host
        ({"allow_hosts": ["api.example.com.evil.test"]}, "allow-list"),
        ({"allow_hosts": ["api.example.com:8443"]}, "allow-list"),
        ({"url": "https://API.example.com.evil.test/v1"}, "allow-list"),
    ],
)
def test_a_target_without_leave_is_refused(workspace: Workspace, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        register_target(workspace, declared(**fields))
    assert entries(workspace, type="target.registered") == []


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "api.example.com/v1",
        "ftp://api.example.com/v1",
        "https:///v1",
        "https://user:secret@api.example.com/v1",
        "https://api.example.com/v1?key=1",
        "https://api.example.com/v1#x",
        "https://api.example.com:99999/v1",
        "https://api.example.com/v1/chat/completions",
        "https://api.exämple.com/v1",
        "https://api.example.com /v1",
    ],
)
def test_a_url_that_is_not_the_base_of_an_api_is_refused(workspace: Workspace, url: str | None) -> None:
    with pytest.raises(InputError):
        register_target(workspace, declared(url=url))


def test_a_port_may_be_part_of_an_allowed_host(workspace: Workspace) -> None:
    config = declared(url="http://127.0.0.1:8000/v1", allow_hosts=["127.0.0.1:8000"])
    assert register_target(workspace, config).config.url == "http://127.0.0.1:8000/v1"


def test_an_error_names_the_field_and_never_quotes_the_value() -> None:
    with pytest.raises(InputError) as caught:
        parse_target(
            {"name": "t", "model": "m", "owner": "a", "authorisation": "b", "api_key_env": "sk-very-secret-key", "max_tokens": 0, "colour": 1}
        )
    said = str(caught.value)
    assert "api_key_env" in said
    assert "max_tokens" in said
    assert "colour" in said
    assert "very-secret" not in said


def test_parameters_may_not_overwrite_what_the_client_sets() -> None:
    with pytest.raises(InputError, match="temperature"):
        parse_target({"name": "t", "model": "m", "owner": "a", "authorisation": "b", "parameters": {"temperature": 2}})


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m.content }",  # a syntax error
        "{{ message }}",  # an unknown name
        "no placeholder at all",
        "{{ messages[0].__class__.__mro__ }} {{ messages[1].content }}",  # the sandbox
        "{% for m in messages %}{% set _ = messages.append(m) %}{{ m.content }}{% endfor %}",  # immutable
    ],
)
def test_a_template_that_cannot_or_may_not_be_rendered_is_refused(template: str) -> None:
    with pytest.raises(InputError, match="template"):
        parse_target({"name": "t", "model": "m", "owner": "a", "authorisation": "b", "template": {"template": template}})


def test_a_run_may_narrow_limits_and_never_widen_them() -> None:
    allowed = Limits(in_flight=4, requests=100)
    assert allowed.tightened(Limits(in_flight=64, tokens=5)) == Limits(in_flight=4, requests=100, tokens=5)
    assert allowed.tightened(Limits(in_flight=1, requests=1000)).requests == 100
