"""The client against a server that does everything a server can do wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import func, select

from pilotage.core import InputError, Unavailable
from pilotage.models import BudgetReached, Limits, Message, Outcome, Reply, Request, Target, ToolCall, Usage, open_client
from pilotage.models.tables import response_cache
from pilotage.store import Workspace

from .conftest import FakeServer, chat

Declare = Callable[..., Target]


def ask_for(text: str = "hi", **fields: Any) -> Request:
    return Request((Message("user", text),), **fields)


def status(code: int, body: Any = None, **headers: str) -> Callable[..., web.Response]:
    return lambda request, asked: web.json_response(body if body is not None else {"error": {"message": "no"}}, status=code, headers=headers)


def says(body: Any) -> Callable[..., web.Response]:
    return lambda request, asked: web.json_response(body)


async def ask(workspace: Workspace, target: Target, request: Request | None = None, **options: Any) -> Reply:
    async with open_client(target, workspace) as client:
        return await client.ask(request or ask_for(), **options)


async def test_an_answer_comes_with_usage_latency_and_its_tries(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    reply = await ask(workspace, declare(url=server.url, system="Be brief.", seed=5, parameters={"top_p": 0.5}), repeat=2)
    assert (reply.outcome, reply.content, reply.finish_reason) == (Outcome.ANSWERED, "hello", "stop")
    assert reply.usage == Usage(7, 3, estimated=False)
    assert [each.status for each in reply.tries] == [200]
    assert reply.latency_us > 0
    assert server.asked == [
        {
            "model": "m",
            "top_p": 0.5,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
            "max_tokens": 512,
            "temperature": 0.0,
            "seed": 7,
        }
    ]


@pytest.mark.parametrize(
    ("body", "outcome", "content"),
    [
        (chat(None, message={"refusal": "I can't."}), Outcome.REFUSED, ""),
        (chat(None, finish_reason="content_filter"), Outcome.BLOCKED, ""),
        (chat("so far", finish_reason="length"), Outcome.TRUNCATED, "so far"),
        (chat(None, finish_reason="length"), Outcome.TRUNCATED, ""),
        (chat(""), Outcome.ANSWERED, ""),
        (chat(None), Outcome.UNPARSABLE, ""),
        ({"choices": []}, Outcome.UNPARSABLE, ""),
        ({"choices": [{"message": {"content": ["a", "list"]}}]}, Outcome.UNPARSABLE, ""),
        ({"choices": [{"message": {"content": 3}}]}, Outcome.UNPARSABLE, ""),
        ({"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": -1}}, Outcome.UNPARSABLE, ""),
        (chat(None, message={"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}]}), Outcome.UNPARSABLE, ""),
        ("just text", Outcome.UNPARSABLE, ""),
        (None, Outcome.UNPARSABLE, ""),
    ],
)
async def test_every_shape_of_a_reply_has_its_outcome(
    workspace: Workspace, server: FakeServer, declare: Declare, body: Any, outcome: Outcome, content: str
) -> None:
    server.answers(says(body))
    reply = await ask(workspace, declare(url=server.url))
    assert (reply.outcome, reply.content) == (outcome, content)
    assert (reply.error is not None) == (outcome is Outcome.UNPARSABLE)
    assert len(server.asked) == 1, "a reply that came is never asked for again"


async def test_html_instead_of_json_is_unparsable(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    server.answers(lambda request, asked: web.Response(text="<html>welcome</html>", content_type="text/html"))
    assert (await ask(workspace, declare(url=server.url))).outcome is Outcome.UNPARSABLE


async def test_tool_calls_keep_their_arguments_as_the_model_wrote_them(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "refund", "arguments": '{"amount": 3, '}}]
    server.answers(says(chat(None, message={"tool_calls": calls}, finish_reason="tool_calls")))
    tool = {"type": "function", "function": {"name": "refund", "parameters": {"type": "object"}}}
    asked = Request(
        (
            Message("user", "refund me"),
            Message("assistant", "", (ToolCall("c0", "refund", "{}"),)),
            Message("tool", "done", tool_call_id="c0"),
        )
    )
    reply = await ask(workspace, declare(url=server.url, tools=[tool]), asked)
    assert reply.outcome is Outcome.ANSWERED
    assert reply.tool_calls == (ToolCall("c1", "refund", '{"amount": 3, '),)
    sent = server.asked[0]
    assert sent["tools"] == [tool]
    assert sent["messages"][1]["tool_calls"] == [{"id": "c0", "type": "function", "function": {"name": "refund", "arguments": "{}"}}]
    assert sent["messages"][2] == {"role": "tool", "content": "done", "tool_call_id": "c0"}


async def test_usage_that_is_not_said_is_estimated_and_marked(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    body = chat("twelve bytes")
    del body["usage"]
    server.answers(says(body))
    reply = await ask(workspace, declare(url=server.url))
    assert reply.usage.estimated
    assert reply.usage.completion_tokens == 3
    assert reply.usage.prompt_tokens > 0


async def test_logprobs_come_where_offered(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    server.answers(says(chat("hi", logprobs={"content": [{"token": "hi", "logprob": -0.25, "bytes": None, "top_logprobs": []}]})))
    reply = await ask(workspace, declare(url=server.url), ask_for(logprobs=True))
    assert server.asked[0]["logprobs"] is True
    assert reply.logprobs is not None
    assert [(each.token, each.logprob) for each in reply.logprobs] == [("hi", -0.25)]


async def test_a_completion_target_gets_its_template_rendered_with_stop_strings(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    server.answers(says({"choices": [{"text": " Paris \n", "finish_reason": "stop"}]}))
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
    target = declare(url=server.url, template={"template": template, "stop": ["\nuser:"]}, system="Be brief.")
    reply = await ask(workspace, target, ask_for("{{ 7 * 7 }} <b>", stop=("END",)))
    assert reply.content == "Paris"
    assert server.paths == ["/v1/completions"]
    assert server.asked[0]["prompt"] == "system: Be brief.\nuser: {{ 7 * 7 }} <b>\nassistant:"
    assert server.asked[0]["stop"] == ["\nuser:", "END"]
    assert "messages" not in server.asked[0]


async def test_a_filter_that_answers_400_is_a_block_and_not_an_error(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    body = {"error": {"code": "content_filter", "message": "filtered", "innererror": {"code": "ResponsibleAIPolicyViolation"}, "status": 400}}
    server.answers(status(400, body))
    reply = await ask(workspace, declare(url=server.url))
    assert reply.outcome is Outcome.BLOCKED
    assert not reply.target_down
    assert len(server.asked) == 1


@pytest.mark.parametrize(("code", "down"), [(400, False), (422, False), (401, True), (404, True)])
async def test_a_client_error_is_not_tried_again(workspace: Workspace, server: FakeServer, declare: Declare, code: int, down: bool) -> None:
    server.answers(status(code))
    reply = await ask(workspace, declare(url=server.url))
    assert (reply.outcome, reply.target_down, len(server.asked)) == (Outcome.ERROR, down, 1)


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504, 529])
async def test_a_passing_failure_is_tried_again_and_every_try_is_kept(workspace: Workspace, server: FakeServer, declare: Declare, code: int) -> None:
    server.answers(status(code), status(code), says(chat()))
    reply = await ask(workspace, declare(url=server.url))
    assert reply.outcome is Outcome.ANSWERED
    assert [each.status for each in reply.tries] == [code, code, 200]
    assert reply.tries[0].error is not None


async def test_a_spent_quota_is_not_tried_again(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    server.answers(status(429, {"error": {"code": "insufficient_quota", "message": "pay"}}))
    reply = await ask(workspace, declare(url=server.url))
    assert (reply.outcome, reply.target_down, len(server.asked)) == (Outcome.ERROR, True, 1)


async def test_tries_end_and_the_last_error_is_the_replys(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    server.answers(status(500))
    reply = await ask(workspace, declare(url=server.url, attempts=3))
    assert (reply.outcome, reply.target_down) == (Outcome.ERROR, True)
    assert len(reply.tries) == len(server.asked) == 3


async def test_retry_after_in_seconds_is_waited_for(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    server.answers(status(429, **{"Retry-After": "1"}), says(chat()))
    started = asyncio.get_running_loop().time()
    reply = await ask(workspace, declare(url=server.url))
    assert asyncio.get_running_loop().time() - started >= 1.0
    assert reply.tries[0].waited_us >= 1_000_000


async def test_retry_after_that_asks_for_an_hour_ends_the_tries(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    late = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    server.answers(status(503, **{"Retry-After": late}))
    reply = await ask(workspace, declare(url=server.url))
    assert (reply.outcome, reply.target_down, len(server.asked)) == (Outcome.ERROR, True, 1)


async def test_a_slow_answer_times_out_and_is_tried_again(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    async def slow(request: web.Request, asked: dict[str, Any]) -> web.Response:
        await asyncio.sleep(1)
        return web.json_response(chat())

    server.answers(slow, says(chat()))
    reply = await ask(workspace, declare(url=server.url, timeout_s=0.2))
    assert reply.outcome is Outcome.ANSWERED
    assert reply.tries[0].status is None
    assert "0.2 s" in str(reply.tries[0].error)


async def test_a_connection_that_breaks_in_the_middle_is_tried_again(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    async def broken(request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"choices": [')
        assert request.transport is not None
        request.transport.abort()
        return response

    server.answers(broken, says(chat()))
    reply = await ask(workspace, declare(url=server.url))
    assert reply.outcome is Outcome.ANSWERED
    assert [each.status for each in reply.tries] == [None, 200]


async def test_a_redirect_is_refused_and_never_followed(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    def redirect(request: web.Request, asked: dict[str, Any]) -> web.Response:
        return web.Response(status=307, headers={"Location": server.url + "/completions"})

    server.answers(redirect)
    reply = await ask(workspace, declare(url=server.url))
    assert reply.outcome is Outcome.ERROR
    assert "redirect" in str(reply.error)
    assert server.paths == ["/v1/chat/completions"]


async def test_an_unreachable_target_is_an_error_reply_and_an_unavailable_fingerprint(workspace: Workspace, declare: Declare) -> None:
    target = declare(url="http://127.0.0.1:1/v1", attempts=2)
    async with open_client(target, workspace) as client:
        with pytest.raises(Unavailable, match="cannot be reached"):
            await client.fingerprint()
        reply = await client.ask(ask_for())
    assert (reply.outcome, reply.target_down) == (Outcome.ERROR, True)


async def test_the_key_comes_from_the_environment_and_appears_nowhere(
    workspace: Workspace, server: FakeServer, declare: Declare, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = "not-shaped-like-a-key-0123456789"
    monkeypatch.setenv("TEST_TARGET_KEY", key)
    target = declare(url=server.url, api_key_env="TEST_TARGET_KEY")
    caplog.set_level(logging.DEBUG)
    server.answers(
        status(401, {"error": {"message": f"the key {key} is wrong, as is Bearer abcdefghijklmnop"}}),
        says(chat(f"you sent {key}")),
    )
    async with open_client(target, workspace) as client:
        refused = await client.ask(ask_for())
        echoed = await client.ask(ask_for("again"))
    assert server.headers[0]["Authorization"] == f"Bearer {key}"
    assert "[redacted]" in str(refused.error)
    assert "abcdefghijklmnop" not in str(refused)
    assert echoed.content == "you sent [redacted]"
    assert key not in str(refused) + str(echoed) + caplog.text
    assert key not in str(target)


async def test_a_key_that_is_not_set_is_told_before_anything_is_sent(
    workspace: Workspace, server: FakeServer, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_TARGET_KEY", raising=False)
    target = declare(url=server.url, api_key_env="TEST_TARGET_KEY")
    with pytest.raises(InputError, match="TEST_TARGET_KEY"):
        async with open_client(target, workspace):
            pass
    assert server.asked == []


async def test_a_repeat_is_a_draw_of_its_own_and_the_same_request_a_hit(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    drawn = iter(range(100))
    server.answers(lambda request, asked: web.json_response(chat(f"draw {next(drawn)}")))
    target = declare(url=server.url, temperature=1.0)
    async with open_client(target, workspace) as client:
        first = [(await client.ask(ask_for(), repeat=repeat)).content for repeat in range(3)]
        other_draw = await client.ask(ask_for(), repeat=0, draw=1)
    async with open_client(target, workspace) as client:
        again = [await client.ask(ask_for(), repeat=repeat) for repeat in range(3)]
        colder = await client.ask(ask_for(temperature=0.5))
    assert first == ["draw 0", "draw 1", "draw 2"]
    assert other_draw.content == "draw 3"
    assert [reply.content for reply in again] == first
    assert all(reply.cached and reply.tries == () and reply.latency_us > 0 for reply in again)
    assert colder.content == "draw 4"


async def test_errors_and_unparsable_replies_are_never_cached(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    server.answers(status(400), says({"choices": []}), says(chat("at last")))
    target = declare(url=server.url)
    async with open_client(target, workspace) as client:
        outcomes = [(await client.ask(ask_for())).outcome for _ in range(3)]
    assert outcomes == [Outcome.ERROR, Outcome.UNPARSABLE, Outcome.ANSWERED]
    with workspace.read() as conn:
        assert conn.execute(select(func.count()).select_from(response_cache).where(response_cache.c.workspace_id == workspace.id)).scalar() == 1


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.BLOCKED, Outcome.TRUNCATED, Outcome.ANSWERED])
async def test_a_cached_reply_is_the_reply_it_was(workspace: Workspace, server: FakeServer, declare: Declare, outcome: Outcome) -> None:
    body = {
        Outcome.REFUSED: chat(None, message={"refusal": "no"}),
        Outcome.BLOCKED: chat(None, finish_reason="content_filter"),
        Outcome.TRUNCATED: chat("a", finish_reason="length"),
        Outcome.ANSWERED: chat(None, message={"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}),
    }[outcome]
    server.answers(says(body))
    target = declare(url=server.url)
    first, second = await ask(workspace, target), await ask(workspace, target)
    assert first.outcome is second.outcome is outcome
    assert len(server.asked) == 1
    for field in ("content", "tool_calls", "finish_reason", "usage", "refusal", "fingerprint", "latency_us"):
        assert getattr(first, field) == getattr(second, field)


async def test_without_a_cache_every_call_asks(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    async with open_client(declare(url=server.url), workspace, cache=False) as client:
        for _ in range(2):
            await client.ask(ask_for())
    assert len(server.asked) == 2


async def test_the_fingerprint_tells_models_and_settings_apart_and_nothing_else(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    async def of(**fields: Any) -> str:
        async with open_client(declare(url=server.url, **fields), workspace) as client:
            return await client.fingerprint()

    first = await of()
    assert server.models is not None
    server.models["data"][0]["created"] = 99
    assert await of(owner="somebody else", limits={"in_flight": 2}, timeout_s=9, name="other") == first
    changed = {first, await of(system="x"), await of(temperature=0.3), await of(seed=1), await of(parameters={"top_p": 0.1}), await of(model="other")}
    changed.add(await of(template={"template": "{{ messages[-1].content }}"}))
    server.models["data"][0]["owned_by"] = "a new version"
    changed.add(await of())
    server.models = None
    changed.add(await of())
    assert len(changed) == 9


async def test_as_many_are_in_flight_as_allowed_and_no_more(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    async def held(request: web.Request, asked: dict[str, Any]) -> web.Response:
        await asyncio.sleep(0.1)
        return web.json_response(chat())

    server.answers(held)
    target = declare(url=server.url, limits={"in_flight": 6})
    async with open_client(target, workspace) as client:
        await asyncio.gather(*(client.ask(ask_for(f"q{i}")) for i in range(24)))
        assert client.max_in_flight == 6
    assert server.max_in_flight == 6


async def test_an_overloaded_server_sees_fewer_at_once(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    async def crowded(request: web.Request, asked: dict[str, Any]) -> web.Response:
        if server.in_flight > 3:
            return web.json_response({"error": "too many"}, status=429)
        await asyncio.sleep(0.02)
        return web.json_response(chat())

    server.answers(crowded)
    target = declare(url=server.url, limits={"in_flight": 24}, attempts=20)
    async with open_client(target, workspace) as client:
        replies = await asyncio.gather(*(client.ask(ask_for(f"q{i}")) for i in range(60)))
    assert all(reply.outcome is Outcome.ANSWERED for reply in replies)


async def test_the_targets_own_limits_bind_whoever_asks(workspace: Workspace, server: FakeServer, declare: Declare) -> None:
    target = declare(url=server.url, limits=Limits(requests=2).model_dump())
    async with open_client(target, workspace) as client:
        await client.ask(ask_for("1"))
        await client.ask(ask_for("2"))
        with pytest.raises(BudgetReached) as caught:
            await client.ask(ask_for("3"))
        await workspace.write_async(lambda tx: None)  # what was answered is written behind the answer's back, and in order
        assert (await client.ask(ask_for("1"))).cached
    assert caught.value.limit == "requests"
    assert len(server.asked) == 2


async def test_functions_are_targets_too(workspace: Workspace, declare: Declare) -> None:
    def plain(request: Request) -> str:
        return request.messages[-1].content.upper()

    async def with_usage(request: Request) -> Reply:
        return Reply("done", Outcome.TRUNCATED, usage=Usage(1, 2))

    def failing(request: Request) -> str:
        raise RuntimeError("out of order")

    def wrong(request: Request) -> Any:
        return 3

    callables = {"plain": plain, "usage": with_usage, "failing": failing, "wrong": wrong}
    replies = {}
    for name in callables:
        async with open_client(declare(kind="callable", model=name), workspace, callables=callables) as client:
            replies[name] = await client.ask(ask_for())
    assert (replies["plain"].content, replies["plain"].usage.estimated) == ("HI", True)
    assert (replies["usage"].outcome, replies["usage"].usage) == (Outcome.TRUNCATED, Usage(1, 2))
    assert (replies["failing"].outcome, replies["failing"].error) == (Outcome.ERROR, "the function raised RuntimeError: out of order")
    assert replies["wrong"].outcome is Outcome.UNPARSABLE


async def test_a_function_nobody_handed_in_is_refused(workspace: Workspace, declare: Declare) -> None:
    with pytest.raises(InputError, match="no in-process function"):
        async with open_client(declare(kind="callable", model="missing"), workspace, callables={}):
            pass
