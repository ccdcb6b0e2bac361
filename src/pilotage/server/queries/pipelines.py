"""Questions about pipelines: what their ticks did, what was decided on which evidence, which model serves, and what waits for whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, func, select

from pilotage.core import NotFound
from pilotage.review import counts
from pilotage.server.queries.drawing import IntervalDrawing, draw_interval
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.server.queries.versions import VersionLine, name_versions
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.pipelines import TrainedModel

STEPS = ("deliver", "versions", "watch", "assemble", "train", "challenge", "score")
DELIVERY_STATES = ("done", "held", "failing", "poisoned", "discarded")
DECISIONS_SHOWN = 10
MODELS_SHOWN = 20


@dataclass(frozen=True)
class Waiting:
    """Something that goes on only once a person did something: what, who may, and where."""

    what: str
    who: str
    address: str


@dataclass(frozen=True)
class StepLine:
    """A step of a run: ``done``, ``held``, ``failed`` or ``pending``. ``short`` says in some words what came of it.

    ``tone`` is the state it is drawn as: a step that is done and left deliveries waiting is not simply well. ``idle``: it had nothing to do.
    """

    name: str
    state: str
    short: str
    tone: str
    idle: bool = False
    tries: int = 0
    reason: str | None = None
    result: dict[str, Any] | None = None
    started_at: int | None = None
    ended_at: int | None = None


@dataclass(frozen=True)
class TickLine:
    """A run of a pipeline, one tick of it, with its steps in order."""

    id: str
    pipeline: str
    key: str
    state: str
    reason: str | None
    created_at: int
    ended_at: int | None
    steps: list[StepLine]
    counts: dict[str, int]


@dataclass(frozen=True)
class PipelineLine:
    """A pipeline in the list."""

    name: str
    state: str
    champion: str | None
    last: TickLine | None
    waiting: list[Waiting]


@dataclass(frozen=True)
class DeliveryLine:
    """A delivery of a pipeline's feed and what became of it."""

    source: str
    name: str
    state: str
    batch_id: str | None
    tries: int
    reason: str | None
    taken_at: int


@dataclass(frozen=True)
class DecisionLine:
    """Whether to train, decided in a tick, with every trigger's figure, interval and limit."""

    run_id: str
    key: str
    fired: bool
    held_back_by: str | None
    triggers: list[dict[str, Any]]
    report: str | None
    created_at: int


@dataclass(frozen=True)
class ChallengeLine:
    """How a challenge ended: the paired gain with its interval against the margin. ``waits``: it won and a person has yet to promote it."""

    number: int
    challenger: str
    champion: str | None
    promoted: bool
    waits: bool
    reason: str
    metric: str | None
    margin: float | None
    gain: dict[str, Any] | None
    drawing: IntervalDrawing | None
    before: float | None
    after: float | None
    decided_by: str
    decided_at: int


@dataclass(frozen=True)
class ModelLine:
    """A trained model and the version it learned from."""

    id: str
    kind: str
    rows: int
    training_set: VersionLine | None
    training_set_id: str
    created_at: int
    serves: bool


@dataclass(frozen=True)
class PipelineDetail:
    """A pipeline with all that its page shows."""

    name: str
    state: str
    champion: ModelLine | None
    waiting: list[Waiting]
    runs: Page[TickLine]
    unfinished: list[DeliveryLine]
    delivered: dict[str, int]
    missing: dict[str, str]
    decisions: list[DecisionLine]
    challenges: list[ChallengeLine]
    models: list[ModelLine]


@dataclass(frozen=True)
class RunDetail:
    """A tick with its steps in full, its decision, and the names of the versions its steps speak of."""

    line: TickLine
    decision: DecisionLine | None
    versions: dict[str, VersionLine] = field(default_factory=dict)


def list_pipelines(workspace: Workspace) -> list[PipelineLine]:
    """Every pipeline that has run, by name."""
    from pilotage.pipelines import champion, pipeline_names

    lines = []
    for name in pipeline_names(workspace):
        last = next(iter(list_runs(workspace, name, turn=Turn(size=1)).rows), None)
        serving = champion(workspace, name)
        waiting = _waiting(workspace, name, last, _challenges(workspace, name))
        lines.append(PipelineLine(name, last.state if last else "pending", serving.id if serving else None, last, waiting))
    return lines


def find_pipeline(workspace: Workspace, name: str, *, turn: Turn | None = None) -> PipelineDetail:
    """One pipeline. Raises ``NotFound``."""
    from pilotage.pipelines import champion, models

    runs = list_runs(workspace, name, turn=turn)
    last = next(iter(list_runs(workspace, name, turn=Turn(size=1)).rows), None)
    if last is None:
        raise NotFound(f"No pipeline '{name}' has run here.", mend="run it: pilotage pipeline run FILE")
    serving, trained, challenges = champion(workspace, name), models(workspace, name)[:MODELS_SHOWN], _challenges(workspace, name)
    sets = name_versions(workspace, sorted({one.training_set for one in [*trained, *([serving] if serving else [])]}))
    unfinished = [one for state in ("poisoned", "failing", "held") for one in list_deliveries(workspace, name, state=state, turn=Turn(size=7)).rows]
    return PipelineDetail(
        name=name,
        state=last.state,
        champion=_model(serving, serving, sets) if serving else None,
        waiting=_waiting(workspace, name, last, challenges),
        runs=runs,
        unfinished=unfinished,
        delivered=_delivered(workspace, name),
        missing=_missing(last),
        decisions=_decisions(workspace, name),
        challenges=challenges,
        models=[_model(one, serving, sets) for one in trained],
    )


def find_run(workspace: Workspace, name: str, run_id: str) -> RunDetail:
    """One tick of a pipeline. Raises ``NotFound``."""
    from pilotage.pipelines.tables import workflow_run

    of = workflow_run.c
    with workspace.read() as conn:
        row = conn.execute(select(workflow_run).where(of.workspace_id == workspace.id, of.id == run_id, of.pipeline == name)).first()
    if row is None:
        raise NotFound("There is no such run of this pipeline.", where=run_id, mend="open it from the pipeline's page")
    line = _ticks(workspace, [row])[0]
    said = {step.name: step.result or {} for step in line.steps}
    ids = [
        *(said.get("versions", {}).get("datasets") or {}).values(),
        said.get("assemble", {}).get("training_set"),
        said.get("score", {}).get("version"),
    ]
    decided = _decisions(workspace, name, run_id=run_id)
    return RunDetail(line, decided[0] if decided else None, name_versions(workspace, [str(one) for one in ids if one]))


def list_runs(workspace: Workspace, name: str, *, turn: Turn | None = None) -> Page[TickLine]:
    """The ticks of a pipeline, the newest first."""
    from pilotage.pipelines.tables import workflow_run

    of = workflow_run.c
    query = select(workflow_run).where(of.workspace_id == workspace.id, of.pipeline == name)
    with workspace.read() as conn:
        found = turn_page(conn, query, keys=[of.created_at, of.id], turn=turn or Turn(size=20), descending=True)
    return found.map(lambda rows: _ticks(workspace, rows))


def list_deliveries(workspace: Workspace, name: str, *, state: str | None = None, turn: Turn | None = None) -> Page[DeliveryLine]:
    """The deliveries of a pipeline's feeds, the newest first."""
    from pilotage.pipelines.tables import pipeline_delivery

    of = pipeline_delivery.c
    query = select(pipeline_delivery).where(of.workspace_id == workspace.id, of.pipeline == name)
    if state:
        query = query.where(of.state == state)
    with workspace.read() as conn:
        found = turn_page(conn, query, keys=[of.taken_at, of.source, of.name], turn=turn or Turn(), descending=True)
    names = DeliveryLine.__dataclass_fields__
    return found.map(lambda rows: [DeliveryLine(**{each: row._mapping[each] for each in names}) for row in rows])


def _ticks(workspace: Workspace, rows: list[Row[Any]]) -> list[TickLine]:
    """Runs with their steps: one query for the steps of all."""
    from pilotage.pipelines.tables import workflow_step

    of = workflow_step.c
    steps: dict[str, list[Row[Any]]] = {}
    if rows:
        query = select(workflow_step).where(of.workspace_id == workspace.id, of.run_id.in_([row.id for row in rows])).order_by(of.position)
        with workspace.read() as conn:
            for step in conn.execute(query):
                steps.setdefault(step.run_id, []).append(step)
    return [_tick(row, steps.get(row.id, [])) for row in rows]


def _tick(row: Row[Any], steps: list[Row[Any]]) -> TickLine:
    there = {step.name: step for step in steps}
    names = [*STEPS, *(name for name in there if name not in STEPS)] if not there or set(there) & set(STEPS) else list(there)
    delivered = (there["deliver"].result or {}) if "deliver" in there else {}
    counts = {state: len(delivered.get(state) or {}) for state in ("taken", "held", "failing", "poisoned", "missing")}
    key = str(row._mapping["key"])
    return TickLine(row.id, row.pipeline, key, row.state, row.reason, row.created_at, row.ended_at, [_step(n, there.get(n)) for n in names], counts)


def _step(name: str, row: Row[Any] | None) -> StepLine:
    if row is None:
        return StepLine(name, "pending", "not begun", "pending", True)
    result = row.result or {}
    short = _said(name, result) if row.state == "done" else str(row.reason or row.state)
    waits = name == "deliver" and row.state == "done" and any(result.get(state) for state in ("held", "failing", "poisoned", "missing"))
    idle = row.state == "done" and short in _IDLE
    return StepLine(name, row.state, short, "held" if waits else row.state, idle, row.tries, row.reason, row.result, row.started_at, row.ended_at)


_IDLE = ("nothing new", "no training", "no challenger", "nothing scored")


def _said(name: str, result: dict[str, Any]) -> str:
    """What came of a step, in a few words."""
    if name == "deliver":
        parts = [f"{len(result[state])} {state}" for state in ("taken", "held", "failing", "poisoned", "missing") if result.get(state)]
        return ", ".join(parts) or "nothing new"
    if name == "versions":
        return f"{len(result.get('datasets') or {})} versions"
    if name == "watch":
        return "train" if result.get("train") else "do not train"
    if name == "assemble":
        return f"{result.get('rows')} rows" if result.get("training_set") else "no training"
    if name == "train":
        return f"a model of {result.get('rows')} rows" if result.get("model") else "no training"
    if name == "challenge":
        return "promoted" if result.get("promoted") else "no challenger" if result.get("why") == "no challenger" else "champion kept"
    if name == "score":
        return f"{result['rows']} rows scored" if result.get("rows") else "nothing scored"
    return "done"


def _missing(last: TickLine) -> dict[str, str]:
    """The feeds whose deliveries are overdue, as the last tick found them."""
    found = next((step for step in last.steps if step.name == "deliver"), None)
    if found is None:
        return {}
    if found.result:
        return {str(name): str(since) for name, since in (found.result.get("missing") or {}).items()}
    if found.state == "held" and found.reason:
        return dict(tuple(part.split(": ", 1)) for part in found.reason.split("; ") if ": " in part)  # type: ignore[misc]
    return {}


def _delivered(workspace: Workspace, name: str) -> dict[str, int]:
    from pilotage.pipelines.tables import pipeline_delivery

    of = pipeline_delivery.c
    query = select(of.state, func.count()).where(of.workspace_id == workspace.id, of.pipeline == name).group_by(of.state)
    with workspace.read() as conn:
        found = {str(state): int(count) for state, count in conn.execute(query)}
    return {state: found.get(state, 0) for state in DELIVERY_STATES}


def _waiting(workspace: Workspace, name: str, last: TickLine | None, challenges: list[ChallengeLine]) -> list[Waiting]:
    """What goes on only once a person did something."""
    address, delivered = f"/pipelines/{name}", _delivered(workspace, name)
    found = []
    if last is not None and last.state in ("failed", "held"):
        found.append(
            Waiting(f"the tick {last.key[:10]} {last.state}: {last.reason or 'no reason was kept'}", "operator", f"{address}/runs/{last.id}")
        )
    if delivered["held"]:
        n = delivered["held"]
        found.append(Waiting(f"{n} {'deliveries are' if n > 1 else 'delivery is'} held", "owner", f"{address}/deliveries?state=held"))
    if delivered["poisoned"]:
        n = delivered["poisoned"]
        found.append(Waiting(f"{n} {'deliveries were' if n > 1 else 'delivery was'} given up", "operator", f"{address}/deliveries?state=poisoned"))
    asked = counts(workspace, name).open  # a pipeline asks in the queue of its name
    if asked:
        found.append(Waiting(f"{asked} {'questions' if asked > 1 else 'question'} in review", "reviewer", f"/review/{name}"))
    won = next((one for one in challenges if one.waits), None)
    if won is not None:
        found.append(Waiting("a challenger has won and is not promoted yet", "owner", f"{address}#models"))
    return found


def _decisions(workspace: Workspace, name: str, *, run_id: str | None = None) -> list[DecisionLine]:
    from pilotage.pipelines.tables import retraining_decision, workflow_run

    of, runs = retraining_decision.c, workflow_run.c
    query = (
        select(retraining_decision, runs["key"].label("tick"))
        .join(workflow_run, (runs.workspace_id == of.workspace_id) & (runs.id == of.run_id))
        .where(of.workspace_id == workspace.id, of.pipeline == name)
    )
    if run_id is not None:
        query = query.where(of.run_id == run_id)
    with workspace.read() as conn:
        rows = conn.execute(query.order_by(of.created_at.desc(), of.id).limit(DECISIONS_SHOWN)).all()
    return [DecisionLine(row.run_id, row.tick, row.fired, row.held_back_by, list(row.triggers), row.report, row.created_at) for row in rows]


def _challenges(workspace: Workspace, name: str) -> list[ChallengeLine]:
    from pilotage.pipelines import decisions

    found = decisions(workspace, name)[:MODELS_SHOWN]
    promoted = {one.challenger for one in found if one.promoted}
    newest = next(iter(found), None)
    lines = []
    for one in found:
        compared = dict(one.comparison or {})
        gain = compared.get("gain")
        drawing = None
        if gain and gain.get("lower") is not None and gain.get("upper") is not None and gain.get("estimate") is not None:
            drawing = draw_interval(gain["estimate"], gain["lower"], gain["upper"], limit=float(compared["margin"]), allowed="above")
        won = bool(compared.get("promoted")) or (one.champion is None and one.comparison is None)
        lines.append(
            ChallengeLine(
                number=one.number,
                challenger=one.challenger,
                champion=one.champion,
                promoted=one.promoted,
                waits=won and not one.promoted and one is newest and one.challenger not in promoted,
                reason=one.reason,
                metric=compared.get("metric"),
                margin=compared.get("margin"),
                gain=gain,
                drawing=drawing,
                before=compared.get("champion"),
                after=compared.get("challenger"),
                decided_by=one.decided_by,
                decided_at=one.decided_at,
            )
        )
    return lines


def _model(model: TrainedModel, serving: TrainedModel | None, sets: dict[str, VersionLine]) -> ModelLine:
    serves = serving is not None and serving.id == model.id
    return ModelLine(model.id, model.kind, model.rows, sets.get(model.training_set), model.training_set, model.created_at, serves)
