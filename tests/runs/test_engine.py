"""The engine: what is missing is done, once; what stops it leaves it resumable."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from pilotage.core import InputError, Refused, Step
from pilotage.ledger import entries, verify
from pilotage.models import Limits, Message, Outcome, Reply, Request, TargetConfig, Usage, open_client, register_target
from pilotage.runs import Ask, Output, Plan, SampleSpec, check_outputs, conversation, outputs, registration, run, run_summary, runs, tables
from pilotage.store import Workspace

from .conftest import Desk, samples


def counter() -> tuple[Callable[..., Any], list[str]]:
    asked: list[str] = []

    async def answer(request: Request) -> str:
        asked.append(request.messages[-1].content)
        return f"re: {request.messages[-1].content}"

    return answer, asked


def rows(workspace: Workspace, table: Any) -> int:
    with workspace.read() as conn:
        return int(conn.execute(select(func.count()).select_from(table).where(table.c.workspace_id == workspace.id)).scalar_one())


async def test_a_plan_is_done_and_its_outputs_come_in_the_plans_order(desk: Desk, workspace: Workspace) -> None:
    answer, _ = counter()
    async with desk.client(answer) as client:
        plan = await desk.plan(client, 20, repeats=2)
        report = await run(workspace, plan, client=client)
    assert (report.state, report.stop_reason, report.executed, report.reused) == ("done", None, 40, 0)
    assert report.counts == {"answered": 40}
    made = list(outputs(workspace, report.run_id))
    assert [output.sample_id for output in made] == [sample.id for sample in plan.samples]
    assert made[2].sample == plan.samples[2]
    assert made[2].messages == (Message("user", "item 1"), Message("assistant", "re: item 1"))
    assert made[2].answer == "re: item 1"
    assert check_outputs(workspace, report.run_id).ok
    assert str(verify(workspace).integrity) == "ok"


async def test_every_batch_is_in_the_ledger_with_its_digest(desk: Desk, workspace: Workspace) -> None:
    answer, _ = counter()
    async with desk.client(answer) as client:
        report = await run(workspace, await desk.plan(client, 10), client=client)
    kinds = [entry.type for entry in entries(workspace, subject=report.run_id)]
    assert kinds[0] == "run.started"
    assert kinds[-1] == "run.done"
    batches = entries(workspace, subject=report.run_id, type="run.outputs")
    assert sum(entry.body["n"] for entry in batches) == 10
    assert sum(entry.body["outcomes"]["answered"] for entry in batches) == 10


async def test_an_edited_or_deleted_output_is_found(desk: Desk, workspace: Workspace) -> None:
    answer, _ = counter()
    async with desk.client(answer) as client:
        report = await run(workspace, await desk.plan(client, 5), client=client)
    first, second, *_ = outputs(workspace, report.run_id)
    table = tables.output

    def tamper(tx: Any) -> None:
        body = {"messages": [{"role": "assistant", "content": "something nicer"}]}
        tx.conn.execute(table.update().where(table.c.workspace_id == tx.workspace_id, table.c.id == first.id).values(body=body))

    workspace.write(tamper)
    check = check_outputs(workspace, report.run_id)
    assert (check.changed, check.missing_batches, check.ok) == ((first.id,), (), False)
    workspace.write(lambda tx: tx.conn.execute(table.delete().where(table.c.workspace_id == tx.workspace_id, table.c.id == second.id)))
    assert len(check_outputs(workspace, report.run_id).missing_batches) == 1


async def test_the_same_plan_again_asks_nothing(desk: Desk, workspace: Workspace) -> None:
    answer, asked = counter()
    async with desk.client(answer) as client:
        plan = await desk.plan(client, 8)
        first = await run(workspace, plan, client=client)
        told = len(entries(workspace, limit=1000))
        again = await run(workspace, plan, client=client)
    assert len(asked) == 8
    assert (again.run_id, again.executed, again.reused, again.counts) == (first.run_id, 0, 8, first.counts)
    assert len(entries(workspace, limit=1000)) == told, "nothing happened, so nothing is recorded"
    assert rows(workspace, tables.run) == 1


async def test_another_plan_reuses_the_outputs_of_equal_samples(desk: Desk, workspace: Workspace) -> None:
    answer, asked = counter()
    async with desk.client(answer) as client:
        small = await desk.plan(client, 5)
        large = await desk.plan(client, 9)
        first = await run(workspace, small, client=client)
        second = await run(workspace, large, client=client)
    assert second.run_id != first.run_id
    assert (second.executed, second.reused, len(asked)) == (4, 5, 9)
    assert rows(workspace, tables.output) == 9
    ids = {output.id for output in outputs(workspace, first.run_id)}
    assert ids < {output.id for output in outputs(workspace, second.run_id)}
    assert check_outputs(workspace, second.run_id).checked == 4


async def test_a_new_run_over_answered_requests_is_answered_from_the_cache(desk: Desk, workspace: Workspace) -> None:
    answer, asked = counter()
    async with desk.client(answer) as client:
        fingerprint = await client.fingerprint()
        await run(workspace, await desk.plan(client, 6), client=client)
        relabelled = tuple(
            SampleSpec(sample.id + "x", sample.item_key, sample.repeat, "another cluster", sample.slices, sample.spec)
            for sample in samples(6, fingerprint=fingerprint)
        )
        report = await run(workspace, Plan("evaluation", "pilot", client.target.id, fingerprint, (), relabelled), client=client)
    assert len(asked) == 6
    assert report.executed == 6
    assert all(output.cached for output in outputs(workspace, report.run_id))
    assert report.usage.requests == 0
    assert run_summary(workspace, report.run_id).cached == 6


async def test_the_same_seeded_run_has_the_same_digests_elsewhere(desk: Desk, workspace: Workspace, tmp_path: Any) -> None:
    from pilotage.ledger import create_workspace

    answer, _ = counter()
    digests = []
    with create_workspace(tmp_path / "other") as other:
        for place in (workspace, other):
            async with Desk(place).client(answer) as client:
                report = await run(place, await Desk(place).plan(client, 5), client=client)
            digests.append([output.digest for output in outputs(place, report.run_id)])
    assert digests[0] == digests[1]


async def test_a_plan_with_a_sample_twice_is_refused_and_leaves_nothing(desk: Desk, workspace: Workspace) -> None:
    answer, _ = counter()
    async with desk.client(answer) as client:
        fingerprint = await client.fingerprint()
        twice = samples(3, fingerprint=fingerprint) + samples(1, fingerprint=fingerprint)
        with pytest.raises(InputError, match="twice"):
            await run(workspace, Plan("evaluation", "pilot", client.target.id, fingerprint, (), twice), client=client)
    assert rows(workspace, tables.run) == rows(workspace, tables.sample) == 0


async def test_a_plan_for_another_model_is_refused(desk: Desk, workspace: Workspace) -> None:
    answer, asked = counter()
    async with desk.client(answer) as client:
        plan = Plan("evaluation", "pilot", client.target.id, "another", (), samples(2, fingerprint="another"))
        with pytest.raises(Refused, match="not the model"):
            await run(workspace, plan, client=client)
    assert asked == []
    assert run_summary(workspace, plan.run_id).state == "paused"


async def test_an_empty_plan_is_done(desk: Desk, workspace: Workspace) -> None:
    answer, _ = counter()
    async with desk.client(answer) as client:
        report = await run(workspace, await desk.plan(client, 0), client=client)
    assert (report.state, report.counts) == ("done", {})


# Budgets


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (Limits(requests=4), "requests"),
        (Limits(tokens=4 * 600), "tokens"),
        (Limits(spend_minor=4), "minor units"),
        (Limits(requests=0), "requests"),
    ],
)
async def test_a_budget_stops_the_run_without_overshoot_and_a_larger_one_resumes_it(
    desk: Desk, workspace: Workspace, limits: Limits, named: str
) -> None:
    asked: list[str] = []

    async def answer(request: Request) -> Reply:
        asked.append(request.messages[-1].content)
        await asyncio.sleep(0.002)
        return Reply("x", Outcome.ANSWERED, usage=Usage(100, 500))

    # 500 of at most 512 tokens an answer, at 1 minor unit each request: 600 tokens × 1666 millionths.
    async with desk.client(answer, prices={"input": 1666, "output": 1666}) as client:
        plan = await desk.plan(client, 12)
        first = await run(workspace, plan, client=client, limits=limits)
        assert first.state == "paused"
        assert named in str(first.stop_reason)
        assert first.executed == len(asked)
        for field in ("requests", "tokens", "spend_minor"):
            most = getattr(limits, field)
            assert most is None or getattr(first.usage, field) <= most, "a budget is never overshot"
        same = await run(workspace, plan, client=client, limits=limits)
        assert (same.state, same.executed) == ("paused", 0)
        last = await run(workspace, plan, client=client)
    assert (last.state, last.stop_reason, last.counts) == ("done", None, {"answered": 12})
    assert len(asked) == len(set(asked)) == 12
    assert last.usage.requests == 12
    assert last.usage.tokens == 12 * 600


async def test_the_wall_limit_stops_a_run_and_it_resumes(desk: Desk, workspace: Workspace) -> None:
    async def answer(request: Request) -> str:
        await asyncio.sleep(0.05)
        return "x"

    async with desk.client(answer) as client:
        plan = await desk.plan(client, 40)
        first = await run(workspace, plan, client=client, limits=Limits(wall_s=0.12))
        assert first.state == "paused"
        assert "time limit" in str(first.stop_reason)
        assert 0 < first.executed < 40
        assert (await run(workspace, plan, client=client)).state == "done"


async def test_raising_a_registered_limit_resumes_the_same_run(desk: Desk, workspace: Workspace) -> None:
    answer, asked = counter()
    async with desk.client(answer, limits={"requests": 3}) as client:
        first = await run(workspace, await desk.plan(client, 6), client=client)
    async with desk.client(answer, limits={"requests": 30}) as client:
        second = await run(workspace, await desk.plan(client, 6), client=client)
    assert (first.state, second.state, second.run_id) == ("paused", "done", first.run_id)
    assert len(asked) == 6


# Outages


async def test_an_outage_pauses_the_run_and_records_no_errors(desk: Desk, workspace: Workspace) -> None:
    up = True
    asked: list[str] = []

    async def answer(request: Request) -> str:
        asked.append(request.messages[-1].content)
        if not up or len(asked) > 10:
            raise ConnectionError("gone")
        return "x"

    async with desk.client(answer) as client:
        plan = await desk.plan(client, 100)
        first = await run(workspace, plan, client=client)
        assert first.state == "paused"
        assert "in a row" in str(first.stop_reason)
        assert "gone" in str(first.stop_reason)
        assert set(first.counts) == {"answered"}
        assert len(asked) < 30
    answer, _ = counter()
    async with desk.client(answer) as client:
        last = await run(workspace, plan, client=client)
    assert (last.state, last.counts) == ("done", {"answered": 100})


async def test_a_target_that_cannot_be_reached_pauses_with_its_reason(desk: Desk, workspace: Workspace) -> None:
    config = TargetConfig(
        name="t", url="http://127.0.0.1:1/v1", model="m", owner="us", authorisation="ours", allow_hosts=("127.0.0.1",), attempts=1, backoff_s=0.01
    )
    target = register_target(workspace, config)
    async with open_client(target, workspace) as client:
        plan = Plan("evaluation", "pilot", target.id, "f", (), samples(3, fingerprint="f"))
        report = await run(workspace, plan, client=client)
    assert (report.state, report.counts) == ("paused", {})
    assert "cannot be reached" in str(report.stop_reason)


async def test_failures_between_answers_are_recorded_as_errors(desk: Desk, workspace: Workspace) -> None:
    async def answer(request: Request) -> str:
        if request.messages[-1].content.endswith("3"):
            raise ValueError("no threes")
        return "x"

    async with desk.client(answer, limits={"in_flight": 1}) as client:
        report = await run(workspace, await desk.plan(client, 20), client=client)
    assert (report.state, report.counts) == ("done", {"answered": 18, "error": 2})
    failed = [output for output in outputs(workspace, report.run_id) if output.outcome is Outcome.ERROR]
    assert [output.messages[-1].role for output in failed] == ["user", "user"]
    assert "no threes" in str(failed[0].error)


async def test_failures_at_the_very_end_are_recorded_while_the_target_is_there(desk: Desk, workspace: Workspace) -> None:
    async def answer(request: Request) -> str:
        if request.messages[-1].content.endswith(("8", "9")):
            raise ValueError("poison")
        return "x"

    async with desk.client(answer, limits={"in_flight": 1}) as client:
        report = await run(workspace, await desk.plan(client, 10), client=client)
    assert (report.state, report.counts) == ("done", {"answered": 8, "error": 2})


async def test_a_run_told_to_goes_on_through_every_failure(desk: Desk, workspace: Workspace) -> None:
    async def answer(request: Request) -> str:
        raise ValueError("never")

    async with desk.client(answer) as client:
        report = await run(workspace, await desk.plan(client, 12), client=client, pause_after=None)
    assert (report.state, report.counts) == ("done", {"error": 12})


# Trying again


async def test_an_error_tried_again_is_a_new_attempt_counted_apart(desk: Desk, workspace: Workspace) -> None:
    healed = False

    async def answer(request: Request) -> str:
        if not healed and request.messages[-1].content.endswith("3"):
            raise ValueError("no threes")
        return "x"

    async with desk.client(answer, limits={"in_flight": 1}) as client:
        plan = await desk.plan(client, 8)
        first = await run(workspace, plan, client=client)
        assert first.counts == {"answered": 7, "error": 1}
        still = await run(workspace, plan, client=client, again={Outcome.ERROR})
        assert (still.counts, still.rerolled) == ({"answered": 7, "error": 1}, {"error": 1})
        healed = True
        last = await run(workspace, plan, client=client, again={Outcome.ERROR})
    assert (last.state, last.counts, last.rerolled, last.executed) == ("done", {"answered": 8}, {"answered": 1}, 1)
    assert [output.attempt for output in outputs(workspace, last.run_id)] == [1, 1, 1, 3, 1, 1, 1, 1]
    assert rows(workspace, tables.output) == 10, "earlier attempts are kept"
    assert check_outputs(workspace, last.run_id).ok


async def test_trying_again_in_one_run_leaves_what_another_run_counted(desk: Desk, workspace: Workspace) -> None:
    healed = False

    async def answer(request: Request) -> str:
        if not healed and request.messages[-1].content.endswith("3"):
            raise ValueError("no threes")
        return "x"

    async with desk.client(answer, limits={"in_flight": 1}) as client:
        small, large = await desk.plan(client, 5), await desk.plan(client, 6)
        first = await run(workspace, small, client=client)
        healed = True
        second = await run(workspace, large, client=client, again={Outcome.ERROR})
    assert second.counts == {"answered": 6}
    assert run_summary(workspace, first.run_id).counts == {"answered": 4, "error": 1}
    assert [output.outcome for output in outputs(workspace, first.run_id)].count(Outcome.ERROR) == 1


# Stopping


async def test_a_cancelled_run_is_paused_consistent_and_resumes(desk: Desk, workspace: Workspace) -> None:
    asked: list[str] = []

    async def answer(request: Request) -> str:
        asked.append(request.messages[-1].content)
        await asyncio.sleep(0.02)
        return "x"

    async with desk.client(answer) as client:
        plan = await desk.plan(client, 60)
        task = asyncio.create_task(run(workspace, plan, client=client))
        while len(asked) < 20:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stopped = run_summary(workspace, plan.run_id)
        assert (stopped.state, stopped.stop_reason) == ("paused", "stopped by request")
        assert stopped.counts == {"answered": len(list(outputs(workspace, plan.run_id)))}
        assert stopped.done >= 12, "what was answered is kept"
        last = await run(workspace, plan, client=client)
    assert (last.state, last.counts, last.executed) == ("done", {"answered": 60}, 60 - stopped.done)
    assert check_outputs(workspace, plan.run_id).ok


class CancelsItself(tuple[SampleSpec, ...]):
    """Samples that cancel the run in the middle of one walk: the first makes the plan's hash, the second writes the samples down."""

    task: asyncio.Task[Any]
    at_walk: int
    walks = 0

    def __iter__(self) -> Iterator[SampleSpec]:
        self.walks += 1
        for position, sample in enumerate(super().__iter__()):
            if self.walks == self.at_walk and 2 * position == len(self):
                self.task.cancel()
            yield sample


@pytest.mark.parametrize("at_walk", [1, 2])
async def test_a_run_cancelled_before_its_samples_are_written_down_resumes(
    desk: Desk, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, at_walk: int
) -> None:
    monkeypatch.setattr(registration, "_AT_ONCE", 20)
    answer, asked = counter()
    async with desk.client(answer) as client:
        whole = await desk.plan(client, 60)
        cancelling = CancelsItself(whole.samples)
        cancelling.at_walk = at_walk
        cancelling.task = asyncio.create_task(run(workspace, replace(whole, samples=cancelling), client=client))
        with pytest.raises(asyncio.CancelledError):
            await cancelling.task
        assert not asked
        assert {(each.state, each.stop_reason, each.done) for each in runs(workspace)} <= {("paused", "stopped by request", 0)}
        assert at_walk == 1 or run_summary(workspace, whole.run_id).planned == 60
        last = await run(workspace, whole, client=client)
    assert (last.state, last.counts) == ("done", {"answered": 60})
    assert len(asked) == 60


def test_control_c_pauses_the_run(desk: Desk, workspace: Workspace) -> None:
    asked: list[str] = []

    async def answer(request: Request) -> str:
        asked.append(request.messages[-1].content)
        if len(asked) == 20:
            signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(0.001)
        return "x"

    async def work() -> Any:
        async with desk.client(answer) as client:
            return await run(workspace, await desk.plan(client, 60), client=client)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(work())
    (stopped,) = runs(workspace)
    assert (stopped.state, stopped.stop_reason) == ("paused", "stopped by request")
    assert stopped.counts == {"answered": len(list(outputs(workspace, stopped.id)))}
    assert 12 <= stopped.done < 60
    assert check_outputs(workspace, stopped.id).ok
    last = asyncio.run(work())
    assert (last.run_id, last.state, last.counts) == (stopped.id, "done", {"answered": 60})


async def test_a_solver_that_raises_stops_the_run_and_what_was_done_stays(desk: Desk, workspace: Workspace) -> None:
    answer, _ = counter()

    async def solve(sample: SampleSpec, ask: Ask) -> Output:
        reply = await ask(Request((Message("user", sample.item_key),)))
        if sample.item_key == "item-5":
            raise ZeroDivisionError
        return Output.of(sample, messages=(Message("user", sample.item_key),), replies=[reply])

    async with desk.client(answer, limits={"in_flight": 1}) as client:
        plan = await desk.plan(client, 10)
        with pytest.raises(ZeroDivisionError):
            await run(workspace, plan, client=client, solve=solve)
    stopped = run_summary(workspace, plan.run_id)
    assert (stopped.state, stopped.counts) == ("paused", {"answered": 5})
    assert "ZeroDivisionError" in str(stopped.stop_reason)


async def test_a_malformed_sample_is_told_with_its_item(desk: Desk, workspace: Workspace) -> None:
    answer, _ = counter()
    async with desk.client(answer) as client:
        fingerprint = await client.fingerprint()
        bad = SampleSpec("smp_bad", "item-bad", 0, "c", {}, {"messages": [{"content": "no role"}]})
        with pytest.raises(InputError) as caught:
            await run(workspace, Plan("evaluation", "p", client.target.id, fingerprint, (), (bad,)), client=client)
    assert "item-bad" in str(caught.value)


# Conversations


async def test_a_conversation_keeps_every_turn_and_sums_what_it_used(desk: Desk, workspace: Workspace) -> None:
    async def answer(request: Request) -> Reply:
        return Reply(f"answer {len(request.messages)}", Outcome.ANSWERED, usage=Usage(10, 1))

    def next_turn(sample: SampleSpec, history: tuple[Message, ...]) -> str | None:
        return None if len(history) >= 6 else f"turn {len(history) // 2}"

    async with desk.client(answer) as client:
        fingerprint = await client.fingerprint()
        sample = SampleSpec("smp_1", "i", 0, "c", {}, {})
        report = await run(
            workspace, Plan("attack", "p", client.target.id, fingerprint, (), (sample,)), client=client, solve=conversation(next_turn, turns=5)
        )
    (made,) = outputs(workspace, report.run_id)
    assert [message.content for message in made.messages] == ["turn 0", "answer 1", "turn 1", "answer 3", "turn 2", "answer 5"]
    assert made.usage == Usage(30, 3)
    assert len(made.tries) == 3
    assert report.usage.requests == 3


async def test_a_conversation_cut_by_a_budget_is_not_an_output_and_resumes_from_the_cache(desk: Desk, workspace: Workspace) -> None:
    answer, asked = counter()

    async def next_turn(sample: SampleSpec, history: tuple[Message, ...]) -> str | None:
        return f"{sample.item_key} turn {len(history) // 2}"

    async with desk.client(answer, limits={"in_flight": 1}) as client:
        plan = await desk.plan(client, 2)
        fingerprint = await client.fingerprint()
        bare = tuple(SampleSpec(sample.id, sample.item_key, 0, "c", {}, {}) for sample in plan.samples)
        plan = Plan("attack", "p", client.target.id, fingerprint, (), bare)
        first = await run(workspace, plan, client=client, solve=conversation(next_turn, turns=3), limits=Limits(requests=5))
        assert (first.state, first.counts, len(asked)) == ("paused", {"answered": 1}, 5)
        last = await run(workspace, plan, client=client, solve=conversation(next_turn, turns=3))
    assert (last.state, last.counts, len(asked)) == ("done", {"answered": 2}, 6)
    assert last.usage.requests == 6


async def test_equal_requests_within_one_sample_are_draws_of_their_own(desk: Desk, workspace: Workspace) -> None:
    answer, asked = counter()

    async def best_of_three(sample: SampleSpec, ask: Ask) -> Output:
        request = Request((Message("user", sample.item_key),), temperature=1.0)
        return Output.of(sample, messages=request.messages, replies=[await ask(request) for _ in range(3)])

    async with desk.client(answer) as client:
        await run(workspace, await desk.plan(client, 2), client=client, solve=best_of_three)
    assert len(asked) == 6


# What is shown


async def test_progress_and_the_callback_tell_only_what_is_durable(desk: Desk, workspace: Workspace) -> None:
    answer, _ = counter()
    steps: list[Step] = []
    there: list[bool] = []

    class Seen:
        def update(self, step: Step) -> None:
            steps.append(step)

        def finish(self, step: Step) -> None:
            steps.append(step)

    def told(batch: Any) -> None:
        with workspace.read() as conn:
            known = set(conn.execute(select(tables.output.c.sample_id).where(tables.output.c.workspace_id == workspace.id)).scalars())
        there.extend(output.sample_id in known for output in batch)

    async with desk.client(answer) as client:
        await run(workspace, await desk.plan(client, 30), client=client, progress=Seen(), on_durable=told)
    assert there == [True] * 30
    assert (steps[-1].done, steps[-1].total, steps[-1].counts) == (30, 30, {"answered": 30})
    assert [step.done for step in steps] == sorted(step.done for step in steps)


async def test_two_processes_at_once_make_each_output_once(desk: Desk, workspace: Workspace) -> None:
    answer, _ = counter()
    async with desk.client(answer) as client:
        plan = await desk.plan(client, 40)
        reports = await asyncio.gather(run(workspace, plan, client=client), run(workspace, plan, client=client))
    assert {report.run_id for report in reports} == {plan.run_id}
    assert rows(workspace, tables.output) == 40
    summary = run_summary(workspace, plan.run_id)
    assert (summary.state, summary.counts) == ("done", {"answered": 40})
    assert check_outputs(workspace, plan.run_id).ok
