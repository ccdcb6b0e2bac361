"""Letting a project's items, answers and suggestions out in the format of another tool.

What came in the same format goes out as it came, with what was answered here since beside it. Only answers about items leave: planted suggestions,
gold, exams and calibration measure people and stay. The file is written whole under a temporary name, the export is recorded in the ledger, and then
it gets its name: nothing leaves unrecorded, and no reader meets half a file.

Cost: some five queries for 500 records; memory: those records (a table without a known schema is held whole, to find one).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import exists, select

from pilotage.core import Conflict, InputError, canonical_json
from pilotage.judging import ABOUT_ITEMS, ABOUT_RATERS, Judgement, RaterKind, judgements
from pilotage.judging.tables import item_payload
from pilotage.judging.tables import rater as rater_table
from pilotage.ledger import record
from pilotage.review.exchange.containers import Delimited, Header
from pilotage.review.exchange.formats import Format, find_format
from pilotage.review.exchange.reading import Terms
from pilotage.review.exchange.record import Exchanged, Misfit, Proposed, Said
from pilotage.review.exchange.tables import exchange_import, exchange_record
from pilotage.review.projects import load_project
from pilotage.review.tables import review_project_version, review_task, suggestion
from pilotage.review.webhooks.outbox import emit
from pilotage.store import Workspace, WriteTransaction

CHUNK = 500
_TESTS = tuple(purpose for purpose in ABOUT_RATERS if purpose != "seeded")
M, X, T, S, P, R, V = (
    each.c for each in (exchange_import, exchange_record, review_task, suggestion, item_payload, rater_table, review_project_version)
)


@dataclass(frozen=True)
class ExportReport:
    """What left: ``rows`` of ``items`` with ``answers``, and how often the format could not express something, by what it was.

    ``changed``: cells that were given an apostrophe for spreadsheets.
    """

    project: str
    format: str
    path: Path
    sha256: str
    rows: int
    items: int
    answers: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    changed: int = 0

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.rows:,} rows of {self.items:,} items with {self.answers:,} answers as {self.format}"]
        if self.changed:
            lines.append(
                f"  cells with an apostrophe before them, so that no spreadsheet calculates them: {self.changed:,}; not to be imported again"
            )
        return "\n".join(lines + [f"  the format cannot express: {what} ({count:,} ×)" for what, count in sorted(self.left_out.items())])

    def to_dict(self) -> dict[str, Any]:
        made = {name: getattr(self, name) for name in ("project", "format", "sha256", "rows", "items", "answers", "changed")}
        return {**made, "path": str(self.path), "left_out": dict(self.left_out)}


def export_from(
    workspace: Workspace,
    project: str,
    path: str | Path,
    format: str,
    *,
    question: str | None = None,
    fields: Mapping[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
    targets: Mapping[str, tuple[str, ...]] | None = None,
    anonymous: bool = False,
    for_spreadsheets: bool = False,
    replace: bool = False,
) -> ExportReport:
    """Write a project's items with what was said of them.

    Parameters
    ----------
    question, fields, columns, targets
        As at import; left out: those of the project's last import in this format.
    anonymous
        Whether raters are called ``rater 1``, ``rater 2``, … Parts kept as they came may name people, so they are left out then.
    for_spreadsheets
        Whether the table is for a person to open: text that begins as a formula does (``=``, ``+``, ``-``, ``@``, a tab or a line break) gets an
        apostrophe before it, in names of columns too. Such a file is not what was said, and ``import_into`` refuses it. Without this,
        exporting and importing is an identity, formulas included.
    replace
        Whether a file that stands at ``path`` is replaced.

    Raises
    ------
    Conflict
        If something stands at ``path``.
    InputError
        If the format cannot express the project at all, a value does not fit its columns, or the format is no table of text and yet
        ``for_spreadsheets``.
    """
    chosen = find_format(format)
    container = chosen.container
    if for_spreadsheets:
        if not isinstance(container, Delimited):
            raise InputError(
                f"{chosen.title} is nothing a spreadsheet opens.",
                where="for_spreadsheets",
                why="only CSV and TSV have cells that may be taken for formulas",
                mend="leave it out, or export as table-csv or table-tsv",
            )
        container = container.for_spreadsheets()
    place = Path(path).absolute()
    if place.is_symlink() or (place.exists() and not (replace and place.is_dir() == chosen.container.folder)):
        raise Conflict("Something stands at the place of the export.", where=str(place), mend="move it away, or let it be replaced")
    given = {"question": question, "fields": fields, "columns": columns, "targets": targets}
    export = _Export(workspace, project, chosen, given, anonymous)
    place.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    try:
        draft = folder / place.name
        container.write(draft, export.rows(), export.header)
        digest = _settle(draft)
        report = ExportReport(
            project, format, place, digest, export.count, export.items, export.answers, dict(export.lost), getattr(container, "changed", 0)
        )
        _record(workspace, report, anonymous=anonymous, for_spreadsheets=for_spreadsheets)
        if replace and place.is_dir():
            place.rename(folder / "replaced")
        draft.replace(place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return report


class _Export:
    """One export under way."""

    def __init__(self, workspace: Workspace, project: str, format: Format, given: Mapping[str, Any], anonymous: bool) -> None:
        self.workspace, self.project, self.format, self.anonymous = workspace, project, format, anonymous
        self.rubric = load_project(workspace, project).rubric
        self.lost: Counter[str] = Counter()
        self.count = self.items = self.answers = 0
        self._aliases: dict[str, str] = {}
        self._raters: dict[str, tuple[str, str, str]] = {}
        with workspace.read() as conn:
            query = select(M.id, M.format, M.terms, M.header).where(M.workspace_id == workspace.id, M.project == project)
            self._imports = list(conn.execute(query.order_by(M.number)))
            versions = select(V.rubric_id).where(V.workspace_id == workspace.id, V.project == project).distinct()
            self._rubrics = set(conn.execute(versions).scalars())
        same = [found for found in self._imports if found.format == format.name]
        told = {**(same[-1].terms if same else {}), **{name: value for name, value in given.items() if value is not None}}
        self.terms = self._terms(told)
        self.header: Header = dict(same[-1].header) if same and not anonymous else {}
        self._terms_of = {found.id: self._terms({**found.terms}) for found in same}

    def _terms(self, told: Mapping[str, Any]) -> Terms:
        targets = {name: tuple(names) for name, names in (told.get("targets") or {}).items()}
        return Terms(self.rubric, told.get("question"), told.get("fields") or {}, told.get("columns") or {}, targets)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every row of the file, counted."""
        for found, terms in self._records():
            self.items += 1
            self.answers += sum(one.state == "submitted" and bool(one.values) for one in found.said)
            try:
                for row in self.format.codec.write(found, terms, lambda what: self.lost.update([what])):
                    self.count += 1
                    yield row
            except Misfit as misfit:
                raise InputError(
                    f"{self.format.title} cannot express this project: {misfit.reason}.",
                    where=misfit.field,
                    mend="choose another format, or name the question",
                ) from misfit

    def _records(self) -> Iterator[tuple[Exchanged, Terms]]:
        for found in self._imports:
            after = -1
            while rows := self._page(found.id, after):
                after = rows[-1].position
                context = self._context({row.item_id for row in rows})
                for row in rows:
                    if row.item_id not in context.tests:
                        yield self._imported(row, found, context)
        position = ""
        while tasks := self._tasks(position):
            position = tasks[-1].position
            context = self._context({task.item_id for task in tasks})
            for item_id in dict.fromkeys(task.item_id for task in tasks):
                said = [self._said(group) for group in context.new(item_id, set())]
                yield Exchanged(item_id, context.payload(item_id), proposed=context.proposed(item_id, set()), said=tuple(said)), self.terms

    def _page(self, import_id: str, after: int) -> list[Any]:
        query = select(exchange_record).where(X.workspace_id == self.workspace.id, X.import_id == import_id, X.position > after)
        with self.workspace.read() as conn:
            return list(conn.execute(query.order_by(X.position).limit(CHUNK)))

    def _tasks(self, after: str) -> list[Any]:
        """Tasks whose items came from no file. An item whose questions are several roles' has several: the first stands for it."""
        known = exists().where(X.workspace_id == T.workspace_id, X.project == T.queue, X.item_id == T.item_id)
        other = review_task.alias("other")
        earlier = exists().where(
            other.c.workspace_id == T.workspace_id,
            other.c.queue == T.queue,
            other.c.item_id == T.item_id,
            other.c.purpose.in_(ABOUT_ITEMS),
            other.c.position < T.position,
        )
        query = select(T.item_id, T.position).where(
            T.workspace_id == self.workspace.id, T.queue == self.project, T.purpose.in_(ABOUT_ITEMS), T.position > after, ~known, ~earlier
        )
        with self.workspace.read() as conn:
            return list(conn.execute(query.order_by(T.position).limit(CHUNK)))

    def _context(self, items: set[str]) -> _Context:
        ids = sorted(items)
        with self.workspace.read() as conn:
            shown = conn.execute(select(P.item_id, P.payload).where(P.workspace_id == self.workspace.id, P.item_id.in_(ids)))
            payloads = {row.item_id: row.payload for row in shown}
            where = (T.workspace_id == self.workspace.id, T.queue == self.project, T.item_id.in_(ids))
            purposes = conn.execute(select(T.item_id, T.purpose).where(*where)).all()
            # Work that was made gold of later is still work, and what was said of it still goes out.
            tests = {row.item_id for row in purposes if row.purpose in _TESTS} - {row.item_id for row in purposes if row.purpose in ABOUT_ITEMS}
            proposals = list(
                conn.execute(select(suggestion).where(S.workspace_id == self.workspace.id, S.item_id.in_(ids)).order_by(S.created_at, S.id))
            )
        found = [j for j in judgements(self.workspace, item_ids=ids, purposes=ABOUT_ITEMS) if j.rubric_id in self._rubrics and not j.abstained]
        self._load_raters({judgement.rater_id for judgement in found})
        return _Context(payloads, tests, proposals, found)

    def _load_raters(self, ids: set[str]) -> None:
        missing = sorted(ids - set(self._raters))
        if missing:
            with self.workspace.read() as conn:
                rows = conn.execute(select(R.id, R.kind, R.name, R.version).where(R.workspace_id == self.workspace.id, R.id.in_(missing)))
                self._raters |= {row.id: (row.kind, row.name, row.version) for row in rows}

    def _imported(self, row: Any, found: Any, context: _Context) -> tuple[Exchanged, Terms]:
        """A record of a file, as it came where it goes out as it came in, with what was said here since."""
        same = found.format == self.format.name and not self.anonymous
        if not same and row.extra:
            self.lost["what only the format it came in can hold"] += 1
        mine = {made for entry in row.said for made in entry.get("judgements", {}).values()}
        said = []
        for entry in row.said:
            ids = entry.get("judgements", {})
            current = {question: context.current.get(made) for question, made in ids.items()}
            if same and all(context.is_as_imported(made, question, entry, row) for question, made in ids.items()):
                values = {question: judgement.value for question, judgement in current.items() if judgement is not None}
                said.append(Said(entry["name"], values, entry["state"], entry["active_ms"], entry["guideline"], entry["gold"], raw=entry["raw"]))
                continue
            kept = {question: judgement.value for question, judgement in current.items() if judgement is not None}
            if not kept:
                if entry["state"] != "submitted" or not ids:
                    self.lost["drafts and skipped answers of another format"] += 1
                continue
            name = self._name(entry.get("rater", ""), entry["name"])
            said.append(Said(name, kept, entry["state"], entry["active_ms"], entry["guideline"], entry["gold"]))
        if not row.again:
            said += [self._said(group) for group in context.new(row.item_id, mine)]
        told = {(p["model"], p["version"], question) for p in row.proposed for question in p["values"]}
        proposed = [Proposed(p["model"], p["version"], p["values"], p["score"], p["raw"] if same else None) for p in row.proposed]
        if not row.again:
            proposed += context.proposed(row.item_id, told)
        terms = self._terms_of.get(found.id, self.terms)
        payload = context.payload(row.item_id)
        return Exchanged(row.foreign_id, payload, proposed=tuple(proposed), said=tuple(said), extra=row.extra if same else {}), terms

    def _said(self, group: list[Judgement]) -> Said:
        first = group[0]
        kind, name, version = self._raters[first.rater_id]
        if kind not in (RaterKind.PERSON, RaterKind.IMPORT):
            name = f"{kind}:{name} {version}".strip()
        times = [judgement.active_ms for judgement in group if judgement.active_ms is not None]
        values = {judgement.question: judgement.value for judgement in group if self._asked(judgement)}
        return Said(self._alias(first.rater_id, name), values, active_ms=max(times, default=None), guideline=first.guideline_id)

    def _asked(self, judgement: Judgement) -> bool:
        """Whether the rubric as it is now still asks it so."""
        try:
            self.rubric.question(judgement.question).check(judgement.value)
        except InputError:
            self.lost["answers under a rubric that has changed"] += 1
            return False
        return True

    def _name(self, rater_id: str, name: str) -> str:
        return self._alias(rater_id or name, name)

    def _alias(self, key: str, name: str) -> str:
        return self._aliases.setdefault(key, f"rater {len(self._aliases) + 1}") if self.anonymous else name


class _Context:
    """What is known of a page of items."""

    def __init__(self, payloads: dict[str, Any], tests: set[str], proposals: list[Any], found: list[Judgement]) -> None:
        self.tests = tests
        self.current = {judgement.id: judgement for judgement in found}
        self._payloads = payloads
        self._proposals: dict[str, list[Any]] = {}
        for row in proposals:
            self._proposals.setdefault(row.item_id, []).append(row)
        self._found: dict[str, list[Judgement]] = {}
        for judgement in found:
            self._found.setdefault(judgement.item_id, []).append(judgement)
        self._chains = {(j.item_id, j.rater_id, j.question): j for j in found}

    def payload(self, item_id: str) -> dict[str, Any]:
        found = self._payloads[item_id]
        return found if isinstance(found, dict) else {"value": found}

    def is_as_imported(self, made: str, question: str, entry: Mapping[str, Any], row: Any) -> bool:
        """Whether the answer stands as it came: nothing replaced it, or only a later row of a file did."""
        if made in self.current:
            return True
        later = self._chains.get((row.item_id, entry.get("rater", ""), question))
        return later is not None and later.idempotency_key.startswith("imp_")

    def new(self, item_id: str, imported: set[str]) -> list[list[Judgement]]:
        """What was said of an item here, one list a rater, in the order in which they came."""
        groups: dict[str, list[Judgement]] = {}
        for judgement in self._found.get(item_id, ()):
            if judgement.id not in imported and not judgement.idempotency_key.startswith("imp_"):
                groups.setdefault(judgement.rater_id, []).append(judgement)
        return list(groups.values())

    def proposed(self, item_id: str, told: set[tuple[str, str, str]]) -> tuple[Proposed, ...]:
        groups: dict[tuple[str, str, float | None], dict[str, Any]] = {}
        for row in self._proposals.get(item_id, ()):
            if (row.model, row.model_version, row.question) not in told:
                score = row.score if row.score is not None else row.probability
                groups.setdefault((row.model, row.model_version, score), {})[row.question] = row.value
        return tuple(Proposed(model, version, values, score) for (model, version, score), values in groups.items())


def _settle(draft: Path) -> str:
    """Sync what was written to disk; its SHA-256 (of a folder: of its files' names and hashes)."""
    hashes = []
    for file in sorted(draft.rglob("*")) if draft.is_dir() else [draft]:
        whole = hashlib.sha256()
        with file.open("rb") as opened:
            while piece := opened.read(1 << 20):
                whole.update(piece)
            os.fsync(opened.fileno())
        hashes.append([file.name, whole.hexdigest()])
    return str(hashes[0][1]) if not draft.is_dir() else hashlib.sha256(canonical_json(hashes)).hexdigest()


def _record(workspace: Workspace, report: ExportReport, *, anonymous: bool, for_spreadsheets: bool) -> None:
    told = report.to_dict()
    body = {**{name: told[name] for name in ("format", "sha256", "rows", "items", "answers", "left_out")}, "anonymous": anonymous}
    if for_spreadsheets:
        body |= {"for_spreadsheets": True, "changed": report.changed}

    def job(tx: WriteTransaction) -> None:
        record(tx, type="review.exported", subject=report.project, body=body)
        emit(tx, "project.exported", subject=report.project, project=report.project, data={"format": report.format, "rows": report.rows})

    workspace.write(job)
