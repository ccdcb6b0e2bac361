"""What a hostile target, URL or template may not do to whoever tries it."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from yarl import URL

from pilotage.core import InputError, PilotageError
from pilotage.models import Message, Outcome, Request, Target, TargetConfig, check_target, open_client, register_target
from pilotage.models.http import _LARGEST_REPLY
from pilotage.models.tables import response_cache
from pilotage.models.target import split_url
from pilotage.models.template import render
from pilotage.store import Workspace

from .conftest import FakeServer, chat

Declare = Callable[..., Target]
HELLO = Request((Message("user", "hi"),), max_tokens=10, temperature=0.0, seed=None)


async def reply_of(workspace: Workspace, target: Target) -> Any:
    async with open_client(target, workspace) as client:
        return await client.ask(HELLO)


# --- where requests go ------------------------------------------------------------------------------------------------------------------------------

ELSEWHERE = [
    "http://api.example.com@evil.test/v1",
    "http://evil.test\\@api.example.com/v1",
    "http://api.example.com.evil.test/v1",
    "http://api.example.com./v1",
    "http://api.example.com%2eevil.test/v1",
    "http://API.EXAMPLE.COM:81@evil.test",
    "http://evil.test#@api.example.com",
    "http://evil.test?@api.example.com",
    "http://аpi.example.com/v1",
    "http://xn--pi-7kc.example.com/v1",
    "http://[::ffff:127.0.0.1]/v1",
    "http://2130706433/v1",
    "\x01http://evil.test/v1",
    "http://api.example.com\t.evil.test/v1",
    "file:///etc/passwd",
    "//evil.test/v1",
    "http:///v1",
]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_no_way_of_writing_an_address_leads_past_the_allow_list(url: str) -> None:
    config = TargetConfig(name="t", url=url, model="m", owner="o", authorisation="a", allow_hosts=("api.example.com",))
    with pytest.raises(PilotageError):
        check_target(config)


def test_a_host_is_the_same_in_capitals_and_a_port_that_is_listed_is_the_only_one() -> None:
    base = {"name": "t", "model": "m", "owner": "o", "authorisation": "a"}
    check_target(TargetConfig(url="http://API.example.com/v1", allow_hosts=("api.example.com",), **base))
    check_target(TargetConfig(url="http://[::1]:8000/v1", allow_hosts=("[::1]:8000",), **base))
    for url, allowed in (("http://api.example.com:81/v1", "api.example.com:80"), ("http://[::1]:8000/v1", "::1:8000")):
        with pytest.raises(PilotageError):
            check_target(TargetConfig(url=url, allow_hosts=(allowed,), **base))


PIECES = ["\\", "@", ":", "#", "?", "/", "%2e", "%00", "\x01", "\x7f", "[", "]", ";", "..", "%40", "xn--a", ".", "http:", "a.test", "b.test", "80"]


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join))
@settings(max_examples=400)
def test_the_host_that_is_checked_is_the_host_that_is_called(rest: str) -> None:
    config = TargetConfig.model_construct(name="t", kind="openai", url=f"http://{rest}")
    try:
        checked = split_url(config)
        called = URL(f"http://{rest}".rstrip("/") + "/chat/completions")
    except (InputError, ValueError):
        return
    assert ((called.raw_host or "").lower(), called.port) == (checked.hostname, checked.port or 80)


async def test_a_proxy_in_the_environment_gets_nothing(
    workspace: Workspace, server: FakeServer, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert (await reply_of(workspace, declare(url=server.url))).content == "hello"


# --- what comes back --------------------------------------------------------------------------------------------------------------------------------


def _gzip_of(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    block = b"a" * (1 << 20)
    packed = [packer.compress(block) for _ in range(size >> 20)]
    return b"".join([*packed, packer.flush()])


@pytest.mark.parametrize("status", [200, 400])
async def test_a_reply_that_unpacks_to_more_than_any_reply_is_cut_off(
    workspace: Workspace, server: FakeServer, declare: Declare, status: int
) -> None:
    packed = _gzip_of(2 * _LARGEST_REPLY)
    server.answer = lambda request, body: web.Response(status=status, body=packed, headers={"Content-Encoding": "gzip"})
    reply = await reply_of(workspace, declare(url=server.url))
    assert reply.outcome == (Outcome.UNPARSABLE if status == 200 else Outcome.ERROR)
    assert len(reply.error) < 500


async def test_a_packed_reply_of_reasonable_size_is_read(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    packed = gzip.compress(json.dumps(chat("packed")).encode())
    server.answer = lambda request, body: web.Response(body=packed, headers={"Content-Encoding": "gzip"})
    assert (await reply_of(workspace, declare(url=server.url))).content == "packed"


@pytest.mark.parametrize(("encoding", "data"), [("gzip", b"not gzip at all"), ("br", b"\x1b\x00"), ("zstd", b"")])
async def test_a_reply_packed_in_another_way_is_unparsable(
    workspace: Workspace, server: FakeServer, declare: Declare, encoding: str, data: bytes
) -> None:
    server.answer = lambda request, body: web.Response(body=data, headers={"Content-Encoding": encoding})
    assert (await reply_of(workspace, declare(url=server.url))).outcome == Outcome.UNPARSABLE


async def test_a_reply_without_end_is_cut_off(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    async def endless(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(2 * _LARGEST_REPLY >> 20):
                await response.write(b" " * (1 << 20))
        except ConnectionError:
            pass
        return response

    server.answer = endless
    assert (await reply_of(workspace, declare(url=server.url))).outcome == Outcome.UNPARSABLE


DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, DEEP),
        (200, b'{"choices":[{"message":{"content":"x","extra":' + DEEP),
        (400, DEEP),
        (400, b'{"error":{"code":[],"type":{},"message":[[]],"innererror":{"code":{}}}}'),
        (400, b'{"error":{"error":{"error":null}}}'),
        (200, b'{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":9223372036854775807,"completion_tokens":1}}'),
        (200, b'{"choices":[{"message":{"content":"\\ud800"}}]}'),
    ],
)
async def test_no_body_a_server_sends_ends_a_run(workspace: Workspace, server: FakeServer, declare: Declare, status: int, body: bytes) -> None:
    server.answer = lambda request, _: web.Response(status=status, body=body)
    reply = await reply_of(workspace, declare(url=server.url, attempts=1))
    assert reply.outcome in (Outcome.UNPARSABLE, Outcome.ERROR)


async def test_a_model_list_without_canonical_form_still_tells_models_apart(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    found = set()
    for size in (2**60, 2**60 + 1):
        server.models = {"data": [{"id": "m", "size": size}]}
        async with open_client(declare(url=server.url), workspace) as client:
            found.add(await client.fingerprint())
    assert len(found) == 2


@pytest.mark.parametrize("status", [200, 400])
async def test_a_key_that_a_server_echoes_with_escapes_is_kept_nowhere(
    workspace: Workspace, server: FakeServer, declare: Declare, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    secret = 'k/9"x+unusual'
    monkeypatch.setenv("PILOTAGE_TEST_KEY", secret)

    def echo(request: web.Request, body: dict[str, Any]) -> web.Response:
        escaped = "".join(f"\\u{ord(character):04x}" for character in request.headers["Authorization"])
        text = f'"{escaped}"'
        call = f'{{"id":{text},"function":{{"name":"f","arguments":{text}}}}}'
        good = f'{{"choices":[{{"message":{{"content":{text},"refusal":{text},"tool_calls":[{call}]}}}}]}}'
        return web.Response(status=status, text=good if status == 200 else f'{{"error":{{"message":{text}}}}}')

    server.answer = echo
    reply = await reply_of(workspace, declare(url=server.url, api_key_env="PILOTAGE_TEST_KEY"))
    assert "[redacted]" in repr(reply)
    with workspace.read() as conn:
        stored = [str(row) for row in conn.execute(select(response_cache.c.reply)).scalars()]
    for text in (repr(reply), *stored):
        assert "unusual" not in text


async def test_a_key_with_a_line_break_starts_no_header_of_its_own(workspace: Workspace, declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTAGE_TEST_KEY", "abc\r\nX-Evil: 1")
    with pytest.raises(InputError) as refused:
        async with open_client(declare(url="http://127.0.0.1:9/v1", api_key_env="PILOTAGE_TEST_KEY"), workspace):
            pass
    assert "abc" not in str(refused.value)


async def test_a_path_with_a_line_break_is_refused(workspace: Workspace) -> None:
    for character in ("\r", "\n", " ", "\x00", "\x1b"):
        with pytest.raises(InputError):
            register_target(
                workspace,
                TargetConfig(name="t", url=f"http://a.test/v1{character}x", model="m", owner="o", authorisation="a", allow_hosts=("a.test",)),
            )


# --- templates --------------------------------------------------------------------------------------------------------------------------------------

ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ messages.__class__.__mro__ }}",
    "{{ (messages | first).__init__ }}",
    "{{ messages | map(attribute='__class__') | join }}{{ cycler.__init__.__globals__ }}",
    "{{ '{0.__class__}'.format(messages) }}",
    "{{ self._TemplateReference__context }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ dict.__base__ }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{{ messages.append(1) }}",
    "{{ messages[0].update(role='x') }}",
]
BOMBS = [
    "{{ 'a' * 10000000000 }}",
    "{{ 10 ** 100000000 }}",
    "{{ 9 ** (9 ** 9) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ 'a'.center(1000000000) }}",
    "{{ 'a' | center(1000000000) }}",
    "{{ 'a' | indent(1000000000) }}",
    "{{ messages | tojson(indent=1000000000) }}",
    "{{ range(10 ** 12) | list }}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% for m in messages recursive %}{{ loop(messages) }}{% endfor %}",
    "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x = n.x | replace('a', 'aa') %}{% endfor %}",
    "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x = [n.x, n.x] | join %}{% endfor %}",
    "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set y %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = y %}{% endfor %}",
    "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
    "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x | tojson }}",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "x" * 200_000,
]


@pytest.mark.parametrize("template", [*ESCAPES, *BOMBS])
@pytest.mark.timeout(10)
def test_a_template_can_neither_leave_its_sandbox_nor_use_up_the_machine(template: str) -> None:
    with pytest.raises(InputError, match="cannot be rendered"):
        render(template, HELLO.messages)


def test_what_prompts_need_still_works() -> None:
    template = (
        "{% set n = namespace(turns=0) %}{% for m in messages if m.content %}{% set n.turns = n.turns + 1 %}"
        "{{ loop.index }}/{{ loop.length }} {{ m['role'] | upper ~ ': ' ~ m.content.strip() | replace('a', 'b') }}{{ '' if loop.last else '\n' }}"
        "{% endfor %} {{ n.turns * 2 }} {{ messages | map(attribute='role') | join(',') }} {{ messages[0].content | tojson }}"
    )
    said = (Message("system", "Be brief"), Message("user", " banana "))
    assert render(template, said) == '1/2 SYSTEM: Be brief\n2/2 USER: bbnbnb 4 system,user "Be brief"'
    long = (Message("user", "x" * 1_000_000), *(Message("user", "y") for _ in range(2000)))
    assert len(render("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", long)) > 1_000_000
