"""Reading runs back, page by page."""

from __future__ import annotations

import pytest

from pilotage.core import NotFound
from pilotage.models import Limits, Outcome, Reply, Request
from pilotage.runs import load_output, outputs, run, run_summary, runs, samples_page
from pilotage.store import Workspace

from .conftest import Desk


async def answer(request: Request) -> Reply:
    asked = request.messages[-1].content
    return Reply("no" if asked.endswith("7") else "yes", Outcome.TRUNCATED if asked.endswith("7") else Outcome.ANSWERED)


async def test_pages_walk_all_samples_once_in_order(desk: Desk, workspace: Workspace) -> None:
    async with desk.client(answer) as client:
        plan = await desk.plan(client, 23)
        await run(workspace, plan, client=client)
    walked: list[str] = []
    after: int | None = None
    while True:
        page = samples_page(workspace, plan.run_id, after=after, limit=10)
        walked += [row.sample_id for row in page.rows]
        if page.after is None:
            break
        after = page.after
    assert walked == [sample.id for sample in plan.samples]


async def test_a_page_can_hold_one_outcome_only_or_what_waits(desk: Desk, workspace: Workspace) -> None:
    async with desk.client(answer) as client:
        plan = await desk.plan(client, 20)
        await run(workspace, plan, client=client, limits=Limits(requests=10, in_flight=1))
    cut = samples_page(workspace, plan.run_id, outcome="truncated")
    assert [(row.item_key, row.outcome, row.slices) for row in cut.rows] == [("item-7", Outcome.TRUNCATED, {"parity": "odd"})]
    waiting = samples_page(workspace, plan.run_id, outcome="waiting", limit=4)
    assert [row.position for row in waiting.rows] == [10, 11, 12, 13]
    assert all(row.output_id is None and row.outcome is None and row.cached is None for row in waiting.rows)
    assert waiting.after == 13


async def test_an_output_is_read_back_as_it_was_made(desk: Desk, workspace: Workspace) -> None:
    async with desk.client(answer) as client:
        report = await run(workspace, await desk.plan(client, 3), client=client)
    for made in outputs(workspace, report.run_id):
        assert load_output(workspace, made.id) == made
    with pytest.raises(NotFound):
        load_output(workspace, "out_none")


async def test_runs_are_listed_newest_first_and_by_pilot(desk: Desk, workspace: Workspace) -> None:
    async with desk.client(answer) as client:
        first = await run(workspace, await desk.plan(client, 1), client=client)
        second = await run(workspace, await desk.plan(client, 2), client=client)
    assert [summary.id for summary in runs(workspace)] == [second.run_id, first.run_id]
    assert len(runs(workspace, limit=1)) == 1
    assert runs(workspace, pilot_id="nobody's") == []
    summary = run_summary(workspace, second.run_id)
    assert (summary.state, summary.planned, summary.done, summary.versions) == ("done", 2, 2, ("dv_1",))
    with pytest.raises(NotFound):
        run_summary(workspace, "run_none")
