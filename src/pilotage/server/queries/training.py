"""Questions about the flywheel: what people corrected, what was published of it, whether a model learnt, and what choosing the next items gained."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sqlalchemy import func, select

from pilotage.core import InputError
from pilotage.data import Version, versions
from pilotage.judging import Question
from pilotage.review import counts
from pilotage.review.flywheel import CorrectionsReady, LoopReport, corrections_ready, loop_report
from pilotage.review.flywheel.tables import review_slice, review_slice_item
from pilotage.review.projects import Project, load_project
from pilotage.review.selecting import SelectionReport, selection_report
from pilotage.review.selecting.tables import review_batch, review_batch_item
from pilotage.review.tables import review_task, suggestion
from pilotage.server.queries.disagreement import MOST_ANSWERS
from pilotage.store import Workspace

_ONE_IN_TEN = 0.1
_MOST_MODELS = 50
S, I, B, P, T = review_slice.c, review_slice_item.c, review_batch.c, review_batch_item.c, review_task.c  # noqa: E741


@dataclass(frozen=True)
class SliceLine:
    """A frozen slice: ``items`` of the ``pool`` there was; ``digest`` is that of their ids."""

    name: str
    items: int
    pool: int
    seed: int
    digest: str
    created_at: int


@dataclass(frozen=True)
class BatchLine:
    """A batch that was put before people: how many each way of choosing took, from how many."""

    number: int
    pool: int
    by: dict[str, int]
    created_at: int

    @property
    def size(self) -> int:
        """Its items."""
        return sum(self.by.values())


@dataclass(frozen=True)
class TrainingPage:
    """A project and one of its questions. ``models`` are those whose answers are kept as suggestions, as ``model@version``."""

    project: Project
    question: Question
    answers: int
    published: tuple[Version, ...]
    slices: tuple[SliceLine, ...]
    batches: tuple[BatchLine, ...]
    models: tuple[str, ...]

    @property
    def is_large(self) -> bool:
        """Whether a pass over its answers takes longer than a page may."""
        return self.answers > MOST_ANSWERS

    @property
    def random_labels(self) -> int:
        """Items drawn by chance, over all batches."""
        return sum(batch.by.get("random", 0) for batch in self.batches)

    @property
    def chance_known_to(self) -> float | None:
        """Half the width of the interval that so many random labels give where one in ten is an error; None without any."""
        n = self.random_labels
        return 1.96 * math.sqrt(_ONE_IN_TEN * (1 - _ONE_IN_TEN) / n) if n else None


@dataclass(frozen=True)
class Worked:
    """What takes a pass over the answers: corrections that would make rows, and what the batches gained (None before there is one)."""

    ready: CorrectionsReady | None
    report: SelectionReport | None
    reason: str = ""


def find_training(workspace: Workspace, name: str, question: str | None) -> TrainingPage:
    """The project's part in the flywheel. Raises ``NotFound``, and ``InputError`` if it does not ask the question."""
    project = load_project(workspace, name)
    asked = project.rubric.question(question) if question else project.rubric.questions[0]
    slices = select(review_slice).where(S.workspace_id == workspace.id, S.project == name).order_by(S.created_at, S.id)
    batches = (
        select(B.number, B.pool, B.created_at, P.selected_by, func.count())
        .join(review_batch_item, (P.workspace_id == B.workspace_id) & (P.batch_id == B.id))
        .where(B.workspace_id == workspace.id, B.project == name, B.question == asked.name)
        .group_by(B.number, B.pool, B.created_at, P.selected_by)
        .order_by(B.number, P.selected_by)
    )
    s = suggestion.c
    ours = select(T.id).where(T.workspace_id == s.workspace_id, T.queue == name, T.item_id == s.item_id).exists()
    models = select(s.model, s.model_version).where(s.workspace_id == workspace.id, s.question == asked.name, ours).distinct().limit(_MOST_MODELS)
    with workspace.read() as conn:
        # A row has a method called items, so the columns are taken by name.
        named = conn.execute(slices).mappings()
        lines = tuple(SliceLine(**{name: row[name] for name in SliceLine.__dataclass_fields__}) for row in named)
        found: dict[int, BatchLine] = {}
        for number, pool, created_at, by, n in conn.execute(batches):
            line = found.setdefault(number, BatchLine(number, pool, {}, created_at))
            line.by[by] = int(n)
        known = tuple(sorted(f"{row.model}@{row.model_version}" for row in conn.execute(models)))
    published = tuple(
        each
        for each in versions(workspace)
        if each.kind == "training" and each.operation.name.startswith("flywheel.") and each.operation.params.get("project") == name
    )
    return TrainingPage(project, asked, counts(workspace, name).answers, published, lines, tuple(found.values()), known)


def work_out(workspace: Workspace, page: TrainingPage) -> Worked:
    """Count the corrections, and what choosing gained. Cost: two passes over the question's answers."""
    reason, ready = "", None
    try:
        ready = corrections_ready(workspace, page.project.name, page.question.name)
    except InputError as error:
        reason = error.what
    report = selection_report(workspace, page.project.name, page.question.name) if page.batches else None
    return Worked(ready, report, reason)


def compare(workspace: Workspace, page: TrainingPage, *, slice: str, old: str, new: str, trained_on: str) -> LoopReport:
    """The new model against the old on the slice. Raises as :func:`pilotage.review.flywheel.loop_report` does."""
    return loop_report(
        workspace, page.project.name, page.question.name, slice=slice, old=_model(old), new=_model(new), trained_on=[trained_on] if trained_on else []
    )


def _model(given: str) -> tuple[str, str]:
    name, at, version = given.rpartition("@")
    if not at or not name:
        raise InputError(f"'{given}' names no model and version.", mend="write model@version")
    return name, version
