"""One tick of a pipeline: take deliveries, watch the champion, decide, train, challenge, score. Nobody needs to be there.

Each step is a step of a durable workflow (:mod:`pilotage.pipelines.workflow`): killed anywhere, the next call goes on; asked again, it does nothing
twice. What can be worked out from what is there (training sets, models) is addressed by content, so beginning a step again finds its own work.

The tick's moment is ``at_us`` (default: now, floored to the pipeline's rhythm). Everything the tick looks at is taken as it was known then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import desc, select, update

from pilotage.core import NotFound, Refused, content_id, iso, parse_duration
from pilotage.data import load_version
from pilotage.data.quality import gate_of, gate_version
from pilotage.data.tabular import read_table
from pilotage.features import Label, Split, Transform, build_training_set, load_training_set, load_views, register_view
from pilotage.ledger import record
from pilotage.pipelines.challenging import challenge
from pilotage.pipelines.deliveries import deliveries, take_deliveries
from pilotage.pipelines.explaining import apply_answers, explain_held
from pilotage.pipelines.learning import train
from pilotage.pipelines.pipeline import Pipeline
from pilotage.pipelines.registry import TrainedModel, champion, keep_model, load_model, record_decision
from pilotage.pipelines.scoring import count_labels_since, held_out, recent_predictions, score_new_rows, scorer_of
from pilotage.pipelines.tables import retraining_decision, trained_model, workflow_run
from pilotage.pipelines.triggers import Decision, Situation, decide
from pilotage.pipelines.workflow import Hold, RunRecord, Step, StepContext, advance
from pilotage.store import Workspace, WriteTransaction

if TYPE_CHECKING:
    from pilotage.monitoring import Diagnosis


def run_pipeline(workspace: Workspace, pipeline: Pipeline, *, at_us: int | None = None) -> RunRecord:
    """Run the tick of ``at_us`` as far as it goes: to its end, or to where it holds or fails.

    Raises
    ------
    Conflict
        If another worker is at it.
    Refused
        If ``at_us`` lies in the future.
    """
    now_us = workspace.clock.now_us()
    at = _tick(pipeline, now_us) if at_us is None else at_us
    if at > now_us:
        raise Refused(f"The tick {iso(at)} lies in the future.", why="what will be known then is not known now")
    key = iso(at)
    _supersede(workspace, pipeline, key)
    return advance(workspace, pipeline=pipeline.name, key=key, declared=pipeline.hash, steps=_steps(pipeline, at))


def plan(workspace: Workspace, pipeline: Pipeline, *, at_us: int | None = None) -> Decision:
    """Whether the pipeline would train if it ran now, and why: a dry run. Nothing is taken in, trained or written."""
    at = _tick(pipeline, workspace.clock.now_us()) if at_us is None else at_us
    serving = champion(workspace, pipeline.name)
    return decide(pipeline.config.retrain, _situation(workspace, pipeline, serving, _diagnose(workspace, pipeline, serving, at), at))


def retraining_decisions(workspace: Workspace, pipeline: str, *, limit: int = 100) -> list[dict[str, Any]]:
    """What was decided about training, newest first, with every trigger's figure and limit."""
    mine = (retraining_decision.c.workspace_id == workspace.id, retraining_decision.c.pipeline == pipeline)
    with workspace.read() as conn:
        rows = conn.execute(
            select(retraining_decision).where(*mine).order_by(desc(retraining_decision.c.created_at), retraining_decision.c.id).limit(limit)
        ).all()
    names = ("run_id", "fired", "triggers", "held_back_by", "report", "created_at")
    return [{name: row._mapping[name] for name in names} for row in rows]


def _tick(pipeline: Pipeline, at_us: int) -> int:
    """The last moment of the pipeline's rhythm, so that everybody who asks within one tick asks for the same run."""
    return at_us - at_us % parse_duration(pipeline.config.every)


def _steps(pipeline: Pipeline, at: int) -> list[Step]:
    def step(name: str, work: Callable[[Pipeline, StepContext, int], dict[str, Any]], **more: Any) -> Step:
        return Step(name, lambda context: work(pipeline, context, at), given={"at": at, "declared": pipeline.hash}, **more)

    return [
        step("deliver", _deliver, fresh=True),
        step("versions", _versions, fresh=True),
        step("watch", _watch, needs=("versions",), fresh=True),
        step("assemble", _assemble, needs=("versions", "watch")),
        step("train", _train, needs=("assemble",)),
        step("challenge", _challenge, needs=("assemble", "train"), fresh=True),
        step("score", _score, needs=("versions", "challenge"), fresh=True),
    ]


def _deliver(pipeline: Pipeline, context: StepContext, at: int) -> dict[str, Any]:
    """Apply what people decided about proposed changes, take deliveries in, and propose what may explain those that are held."""
    apply_answers(context.workspace, pipeline)
    found = take_deliveries(context.workspace, pipeline, now_us=at)
    if found.must_wait:
        raise Hold("; ".join(f"{name}: {found.missing[name]}" for name in found.must_wait))
    explained = explain_held(context.workspace, pipeline)
    return found.to_dict() | {"proposals": list(explained.proposals), "unexplained": dict(explained.unexplained)}


def _versions(pipeline: Pipeline, context: StepContext, at: int) -> dict[str, Any]:
    """The versions this tick works on, each past its gate, and the views registered against them."""
    workspace, config = context.workspace, pipeline.config
    views = [view for name in config.views for view in load_views(pipeline.path(name))]
    chosen: dict[str, str] = {}
    for dataset in dict.fromkeys((config.training.spine, config.scoring.dataset, *(view.source for view in views))):
        try:
            version = load_version(workspace, dataset)
        except NotFound as error:
            raise Hold(f"there is no version of '{dataset}' yet: {error.what}") from error
        report = gate_of(workspace, version.id) or gate_version(workspace, version.id)
        if report.verdict == "fail":
            raise Hold(f"{version.ref} has not passed its gate: accept it as the new normal, or mend the source")
        chosen[dataset] = version.id
    registered = [register_view(workspace, view) for view in views]
    return {"datasets": chosen, "views": [each.view.ref for each in registered]}


def _watch(pipeline: Pipeline, context: StepContext, at: int) -> dict[str, Any]:
    """Diagnose the champion's recent predictions, and decide on that whether to train."""
    workspace = context.workspace
    serving = champion(workspace, pipeline.name)
    diagnosis = _diagnose(workspace, pipeline, serving, at)
    decision = decide(pipeline.config.retrain, _situation(workspace, pipeline, serving, diagnosis, at))
    said = {"train": decision.train, "why": str(decision), "triggers": [trigger.to_dict() for trigger in decision.triggers]}
    report = None
    if diagnosis is not None and serving is not None:
        from pilotage.monitoring import put_report

        production = f"{pipeline.predictions} at {iso(at)}"
        report = put_report(workspace, diagnosis, reference=serving.training_set, production=production).id
    decision_id = content_id("rtd", {"run": context.run_id, "decision": said})

    def write(tx: WriteTransaction) -> None:
        context.require_lease(tx)
        mine = (retraining_decision.c.workspace_id == tx.workspace_id, retraining_decision.c.id == decision_id)
        if tx.conn.execute(select(retraining_decision.c.id).where(*mine)).first() is None:
            values = {"pipeline": pipeline.name, "run_id": context.run_id, "fired": decision.train, "triggers": said["triggers"]}
            tx.insert(retraining_decision, {"id": decision_id, **values, "held_back_by": decision.held_back_by, "report": report})
            record(tx, type="pipeline.decision", subject=context.run_id, body=said)

    workspace.write(write)
    cause = None if diagnosis is None else str(diagnosis.cause)
    return said | {"champion": serving.id if serving else None, "cause": cause, "report": report}


def _diagnose(workspace: Workspace, pipeline: Pipeline, serving: TrainedModel | None, at: int) -> Diagnosis | None:
    """What monitoring says of the champion's recent predictions; None where there is no champion, or too few predictions to say anything."""
    if serving is None:
        return None
    from pilotage.monitoring import Thresholds, diagnose

    watch = pipeline.config.watch
    recent = recent_predictions(workspace, pipeline, serving, now_us=at)
    if recent is None or recent.n < watch.min_rows:
        return None
    training = load_training_set(workspace, serving.training_set)
    reference = held_out(workspace, pipeline, training, scorer_of(workspace, serving, folder=pipeline.folder))
    return diagnose(
        reference,
        recent,
        thresholds=Thresholds(metric=watch.metric, harm=watch.harm, min_rows=watch.min_rows),
        training_digest=training.version.digest,
        subject={"pilot": pipeline.name, "fingerprint": serving.id},
    )


def _situation(workspace: Workspace, pipeline: Pipeline, serving: TrainedModel | None, diagnosis: Diagnosis | None, at: int) -> Situation:
    waiting = tuple(sorted({each["source"] for each in deliveries(workspace, pipeline.name) if each["state"] in ("held", "failing")}))
    if serving is None:
        return Situation(now_us=at, cut_at=None, new_labels=count_labels_since(workspace, pipeline, since_us=0, now_us=at), waiting=waiting)
    training = load_training_set(workspace, serving.training_set)
    cut = int(training.record["as_of"])
    mine = (trained_model.c.workspace_id == workspace.id, trained_model.c.pipeline == pipeline.name)
    with workspace.read() as conn:
        sets = conn.execute(select(trained_model.c.training_set).where(*mine)).scalars().all()
    used = {each["source"]["ref"].partition("@")[0]: each["source"]["id"] for each in training.record["views"]}
    changed = [name for name, version in used.items() if load_version(workspace, name).contract_id != load_version(workspace, version).contract_id]
    return Situation(
        now_us=at,
        cut_at=cut,
        trainings=[int(load_training_set(workspace, each).record["as_of"]) for each in sets],
        new_labels=count_labels_since(workspace, pipeline, since_us=cut, now_us=at),
        changed_contracts=tuple(changed),
        diagnosis=diagnosis,
        waiting=waiting,
    )


def _assemble(pipeline: Pipeline, context: StepContext, at: int) -> dict[str, Any]:
    if not context.results["watch"]["train"]:
        return {"training_set": None}
    config, versions = pipeline.config.training, context.results["versions"]
    training = build_training_set(
        context.workspace,
        name=config.name,
        spine=versions["datasets"][config.spine],
        time=config.time,
        label=Label(**config.label.model_dump()),
        views=versions["views"],
        as_of=at,
        transforms=[Transform(**each) for each in config.transforms],
        split=Split(**config.split.model_dump()),
        seed=config.seed,
        sources=versions["datasets"],
        owner=pipeline.config.owner,
    )
    return {"training_set": training.version.id, "rows": training.version.rows, "left_out": dict(training.left_out)}


def _train(pipeline: Pipeline, context: StepContext, at: int) -> dict[str, Any]:
    training_set = context.results["assemble"]["training_set"]
    if training_set is None:
        return {"model": None}
    training = load_training_set(context.workspace, training_set)
    rows = read_table(context.workspace, training.version.id, where="split = 'train'")
    learner, seed = pipeline.config.model, pipeline.config.training.seed
    model = train(learner, rows, features=training.features, label=training.label, seed=seed, folder=pipeline.folder)
    kept = keep_model(
        context.workspace,
        pipeline=pipeline.name,
        training_set=training_set,
        kind=learner.kind,
        params=learner.model_dump(mode="json"),
        model=model,
        rows=rows.num_rows,
    )
    return {"model": kept.id, "rows": kept.rows}


def _challenge(pipeline: Pipeline, context: StepContext, at: int) -> dict[str, Any]:
    """Try the challenger against the champion on rows that neither learned from, and let the better one serve."""
    workspace, config, challenger_id = context.workspace, pipeline.config.challenge, context.results["train"]["model"]
    serving = champion(workspace, pipeline.name)
    if challenger_id is None or (serving is not None and serving.id == challenger_id):
        return {"champion": serving.id if serving else None, "promoted": False, "why": "no challenger"}
    challenger = load_model(workspace, challenger_id)
    training = load_training_set(workspace, challenger.training_set)
    if serving is None:
        promoted, why, comparison = config.promotion == "automatic", "there is no champion to beat", None
    else:
        window = held_out(workspace, pipeline, training, scorer_of(workspace, challenger, folder=pipeline.folder))
        before = _champion_scores(workspace, pipeline, serving, training)
        if window.scores is None or window.labels is None:
            raise Hold("the held-out rows have no labels")
        found = challenge(
            window.labels == 1,
            before,
            window.scores,
            metric=config.metric,
            margin=config.margin,
            threshold=config.threshold,
            clusters=_clusters(workspace, training),
            subject={"pilot": pipeline.name, "fingerprint": challenger.id, "versions": [training.version.id]},
        )
        promoted, why, comparison = found.promoted and config.promotion == "automatic", found.why, found.to_dict()
        if found.promoted and not promoted:
            why = f"{why}; waits for a person to promote it"

    def write(tx: WriteTransaction) -> None:
        context.require_lease(tx)
        record_decision(
            tx,
            pipeline=pipeline.name,
            challenger=challenger.id,
            champion=serving.id if serving else None,
            promoted=promoted,
            reason=why,
            comparison=comparison,
        )

    workspace.write(write)
    return {"champion": challenger.id if promoted else (serving.id if serving else None), "promoted": promoted, "why": why}


def _champion_scores(workspace: Workspace, pipeline: Pipeline, serving: TrainedModel, training: Any) -> Any:
    """What the champion says of the challenger's held-out rows: the same decisions, with the champion's own views and transforms."""
    import polars as pl

    from pilotage.features import compute_features

    own = load_training_set(workspace, serving.training_set)
    rows = pl.DataFrame(read_table(workspace, training.version.id)).filter(pl.col("split") == "test")
    spine = pl.DataFrame(read_table(workspace, training.record["spine"]["id"])).with_row_index("spine_row")
    asked = rows.select(pl.col("spine_row").cast(pl.UInt32)).join(spine, on="spine_row", how="left", maintain_order="left").drop("spine_row")
    views = [each["ref"] for each in own.record["views"]]
    sources = {each["source"]["ref"].partition("@")[0]: each["source"]["id"] for each in training.record["views"]}
    computed = compute_features(workspace, asked, views=views, time=training.record["time"], sources=sources)
    features = own.fitted.apply(computed.rows.select(computed.features))
    return scorer_of(workspace, serving, folder=pipeline.folder).score(features.to_arrow())


def _clusters(workspace: Workspace, training: Any) -> list[str]:
    """Whose each held-out row is: the entities' values as one text."""
    table = read_table(workspace, training.version.id, columns=[*training.record["entities"]], where="split = 'test'")
    return ["\x1f".join(map(str, row.values())) for row in table.to_pylist()]


def _score(pipeline: Pipeline, context: StepContext, at: int) -> dict[str, Any]:
    serving = context.results["challenge"]["champion"]
    if serving is None:
        return {"rows": 0, "version": None}
    done = score_new_rows(context.workspace, pipeline, load_model(context.workspace, serving), now_us=at)
    return {"rows": done.rows, "version": done.version}


def _supersede(workspace: Workspace, pipeline: Pipeline, key: str) -> None:
    """Earlier ticks that hold or failed are over once a later one runs: it takes in all that they would have."""

    def write(tx: WriteTransaction) -> None:
        mine = (workflow_run.c.workspace_id == tx.workspace_id, workflow_run.c.pipeline == pipeline.name)
        older = (workflow_run.c.key < key, workflow_run.c.state.in_(("held", "failed")))
        tx.conn.execute(update(workflow_run).where(*mine, *older).values(state="superseded"))

    workspace.write(write)
