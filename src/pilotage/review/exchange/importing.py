"""Bringing a file of another tool into a project.

The file is read twice: once to see whether every row can be taken, once to take it. A row that cannot is refused with its number, its field and the
reason, and unless the caller says otherwise nothing is taken then. Taking goes in chunks, each in one transaction with its place in the file, so an
import that was killed goes on where it stopped when it is run again; the same file again changes nothing.

Whoever judged elsewhere is a rater of kind ``import`` here and is never counted as a person, unless the caller maps the name to an account; that act
is in the ledger.

Cost: two passes over the file, and for each answer what :func:`add_judgements` costs. Memory: one chunk, and some 100 bytes an answer to see
repetitions.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import func, select, update

from pilotage.core import InputError, Progress, SilentProgress, Step, content_id
from pilotage.judging import Item, Judgement, Rater, RaterKind, add_judgements, ensure_rater, person, put_items
from pilotage.ledger import record
from pilotage.ledger.tables import ledger_entry
from pilotage.people import find_account, has_accounts
from pilotage.review.exchange.containers import Header
from pilotage.review.exchange.formats import Format, find_format, read_records, require_file
from pilotage.review.exchange.reading import Terms
from pilotage.review.exchange.record import Exchanged, ExchangeLimits, Misfit, RefusedRow, Said
from pilotage.review.exchange.tables import exchange_import, exchange_record
from pilotage.review.new_task import NewTask, Suggestion
from pilotage.review.projects import load_project
from pilotage.review.put import put_tasks
from pilotage.review.tables import suggestion as suggestion_table
from pilotage.store import Workspace, WriteTransaction, insert_missing
from pilotage.store.schema import json_text

CHUNK = 500  # records a transaction
KIND = "record"  # of the items that come from elsewhere
M, X = exchange_import.c, exchange_record.c

Queue = Literal["unanswered", "all", "none"]
_INSERT_SUGGESTION = insert_missing(suggestion_table)


@dataclass(frozen=True)
class ImportReport:
    """What became of a file.

    ``records`` were taken, with ``answers`` judgements and ``suggestions``; ``tasks`` were put before people. ``kept_raw`` counts what is kept and
    written back but is no judgement here, by reason. ``refused`` names every row that was not taken; unless refused rows were allowed, one of them
    means that nothing was. ``again``: this very file had been taken before.
    """

    id: str
    project: str
    format: str
    records: int = 0
    items: int = 0
    tasks: int = 0
    answers: int = 0
    suggestions: int = 0
    raters: tuple[str, ...] = ()
    kept_raw: Mapping[str, int] = field(default_factory=dict)
    refused: tuple[RefusedRow, ...] = ()
    again: bool = False

    @property
    def taken(self) -> bool:
        """Whether anything of the file is in the project."""
        return self.records > 0 or self.again

    def __str__(self) -> str:
        if self.again:
            return f"{self.format}: this file was imported before; nothing was taken again"
        lines = [
            f"{self.format}: {self.records:,} records, {self.answers:,} answers of {len(self.raters):,} raters",
            f"  {self.suggestions:,} suggestions; {self.tasks:,} put before people",
        ]
        lines += [f"  kept as it came: {count:,} × {reason}" for reason, count in sorted(self.kept_raw.items())]
        if self.refused:
            lines.append(f"  refused: {len(self.refused):,}" + ("" if self.records else "; nothing was taken"))
            lines += [f"    {row}" for row in self.refused]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        made = {name: getattr(self, name) for name in ("id", "project", "format", "records", "items", "tasks", "answers", "suggestions", "again")}
        refused = [{"row": row.row, "field": row.field, "reason": row.reason} for row in self.refused]
        return {**made, "raters": list(self.raters), "kept_raw": dict(self.kept_raw), "refused": refused}


def import_into(
    workspace: Workspace,
    project: str,
    path: str | Path,
    format: str,
    *,
    question: str | None = None,
    fields: Mapping[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
    targets: Mapping[str, tuple[str, ...]] | None = None,
    slices: Collection[str] = (),
    people: Mapping[str, str] | None = None,
    queue: Queue = "unanswered",
    gold: bool = False,
    repeated: Literal["refuse", "last"] = "refuse",
    skip_refused: bool = False,
    limits: ExchangeLimits | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Take a file into a project.

    Parameters
    ----------
    question, fields, columns, targets
        How the file's words map to ours; see :class:`.reading.Terms`.
    slices
        Payload fields (under our names) that say what an item counts towards, such as ``language``; a row that lacks one is in none of its slices.
    people
        ``{name in the file: login}``: whose answers those are. Everybody else is an ``import``.
    queue
        Which items are put before people: those without a submitted answer, all, or none.
    gold
        Whether what the file calls ground truth becomes gold here: items to measure people with, which never leave again.
    repeated
        What to do with a rater's second answer to one question of one item: refuse its row, or let the last one stand.
    skip_refused
        Take the other rows where some are refused.

    Raises
    ------
    InputError
        If the file cannot be read at all, is beyond the limits, or was exported here for spreadsheets: its cells are changed.
    NotFound
        If there is no such project, file or account.
    """
    path = Path(path)
    chosen = find_format(format)
    require_file(path, chosen, limits or ExchangeLimits())
    found = load_project(workspace, project)
    terms = Terms(found.rubric, question, fields or {}, columns or {}, targets or {})
    terms.check()
    mapping = dict(people or {})
    _require_accounts(workspace, mapping)
    told = {
        "question": question,
        "fields": dict(terms.fields),
        "columns": dict(terms.columns),
        "targets": {k: list(v) for k, v in terms.targets.items()},
    }
    source = {"project": project, "format": format, "sha256": _digest(path), "terms": told, "people": mapping, "rubric": found.rubric.id}
    _require_loss_free(workspace, path, source["sha256"])
    by = tuple(sorted(set(slices)))
    if by:
        source["slices"] = list(by)
    made = content_id("imp", {**source, "queue": queue, "gold": gold})
    job = _Import(workspace, chosen, terms, limits or ExchangeLimits(), mapping, queue, gold, repeated, made, project, path, by)
    state, before = job.standing()
    if state == "done":
        return ImportReport(made, project, format, again=True)
    refused, header = job.check()
    if refused and not skip_refused:
        return ImportReport(made, project, format, refused=tuple(refused))
    job.begin(source, header)
    return job.take(before, refused, progress or SilentProgress())


class _Import:
    """One import under way."""

    def __init__(
        self,
        workspace: Workspace,
        format: Format,
        terms: Terms,
        limits: ExchangeLimits,
        people: dict[str, str],
        queue: Queue,
        gold: bool,
        repeated: str,
        made: str,
        project: str,
        path: Path,
        slices: tuple[str, ...],
    ) -> None:
        self.workspace, self.format, self.terms, self.limits = workspace, format, terms, limits
        self.people, self.queue, self.gold, self.repeated = people, queue, gold, repeated
        self.id, self.project, self.path, self.slices = made, project, path, slices

    def standing(self) -> tuple[str | None, int]:
        with self.workspace.read() as conn:
            row = conn.execute(select(M.state, M.rows).where(M.workspace_id == self.workspace.id, M.id == self.id)).first()
        return (None, 0) if row is None else (row.state, row.rows)

    def check(self) -> tuple[list[RefusedRow], Header]:
        """Every row that cannot be taken, and the file's header."""
        header: Header = {}
        refused: list[RefusedRow] = []
        for number, found in self._records(header):
            if isinstance(found, Misfit):
                refused.append(RefusedRow(number, found.field, found.reason))
                if len(refused) > self.limits.refused:
                    raise InputError(
                        f"More than {self.limits.refused} rows cannot be taken.",
                        where=f"{self.path.name} {refused[0]}",
                        why="the file is of another format, or answers another rubric",
                        mend="check the format and the project's rubric",
                    )
        return refused, header

    def begin(self, source: dict[str, Any], header: Header) -> None:
        def job(tx: WriteTransaction) -> None:
            if tx.conn.execute(select(M.id).where(M.workspace_id == tx.workspace_id, M.id == self.id)).first() is not None:
                return
            last = tx.conn.execute(select(func.max(M.number)).where(M.workspace_id == tx.workspace_id, M.project == self.project)).scalar()
            row = {"id": self.id, "header": header, "number": (last or 0) + 1, "state": "under way", "rows": 0}
            tx.insert(exchange_import, {**row, **{name: source[name] for name in ("project", "format", "sha256", "terms")}})
            for name, login in sorted(self.people.items()):
                body = {"import": self.id, "project": self.project, "login": login}
                record(tx, type="review.rater_mapped", subject=login, body=body, personal={"name": name})

        self.workspace.write(job)

    def take(self, before: int, refused: list[RefusedRow], progress: Progress) -> ImportReport:
        """Write the records from position ``before`` on."""
        taken = ((number, found) for number, found in self._records({}) if isinstance(found, Exchanged))
        rest = islice(enumerate(taken), before, None)
        counts: Counter[str] = Counter()
        kept: Counter[str] = Counter()
        raters: set[str] = set()
        while chunk := list(islice(rest, CHUNK)):
            counts += self.workspace.write(lambda tx, chunk=chunk: self._write(tx, chunk))  # type: ignore[misc]
            for _, (_, found) in chunk:
                kept.update(part.reason for part in found.kept_raw)
                raters.update(rater.name for rater, _, _ in self._raters(found))
            progress.update(Step("import", done=before + counts["records"], unit="records"))
        progress.finish(Step("import", done=before + counts["records"], unit="records"))
        numbers = {name: counts[name] for name in ("records", "items", "tasks", "answers", "suggestions")}
        report = ImportReport(
            self.id,
            self.project,
            self.format.name,
            records=counts["records"],
            items=counts["items"],
            tasks=counts["tasks"],
            answers=counts["answers"],
            suggestions=counts["suggestions"],
            raters=tuple(sorted(raters)),
            kept_raw=kept,
            refused=tuple(refused),
        )

        def finish(tx: WriteTransaction) -> None:
            mine = (M.workspace_id == tx.workspace_id, M.id == self.id)
            tx.conn.execute(update(exchange_import).where(*mine).values(state="done"))
            body = {
                "import": self.id,
                "format": self.format.name,
                **numbers,
                "records": tx.conn.execute(select(M.rows).where(*mine)).scalar_one(),
                "refused": len(refused),
                "kept_raw": sum(kept.values()),
                "raters": len(raters),
                "people": sorted(set(self.people.values())),
            }
            record(tx, type="review.imported", subject=self.project, body=body)

        self.workspace.write(finish)
        return report

    def _records(self, header: Header) -> Iterator[tuple[int, Exchanged | Misfit]]:
        """The records, and those refused for what other rows say: a second answer of one rater to one question of one item."""
        seen: set[bytes] = set()
        for number, found in read_records(self.path, self.format, self.terms, self.limits, header):
            if isinstance(found, Misfit):
                yield number, found
            else:
                misfit = self._unanswerable(found) or (self._repeated(found, number, seen) if self.repeated == "refuse" else None)
                yield number, misfit or found

    def _unanswerable(self, found: Exchanged) -> Misfit | None:
        """An item that is to be put before people has what their questions are about, and what it is told apart by is a plain value."""
        for name in self.slices:
            if isinstance(found.payload.get(name), (list, dict)):
                return Misfit(name, "a slice needs a plain value, not a list or an object")
        if self._is_put(found):
            for question in self.terms.rubric.questions:
                try:
                    question.check_payload(found.payload)
                except InputError as error:
                    return Misfit(question.name, error.what)
        return None

    def _repeated(self, found: Exchanged, number: int, seen: set[bytes]) -> Misfit | None:
        item = self._source(found, number)
        marks: dict[bytes, str] = {}
        for rater, one, _ in self._raters(found):
            for question in one.values:
                mark = hashlib.blake2b(f"{item}\0{rater.id}\0{question}".encode(), digest_size=12).digest()
                if mark in seen:
                    return Misfit(question, f"'{rater.name}' answered this question of this item in an earlier row")
                marks[mark] = question
        seen.update(marks)
        return None

    def _source(self, found: Exchanged, number: int) -> str:
        return found.id if found.id is not None else f"row {number}"

    def _item(self, found: Exchanged, number: int) -> Item:
        return Item(kind=KIND, source_id=self._source(found, number), payload=found.payload, slices={**found.slices, **self._slices(found)})

    def _slices(self, found: Exchanged) -> dict[str, str]:
        given = {name: found.payload[name] for name in self.slices if found.payload.get(name) not in (None, "")}
        return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}

    def _raters(self, found: Exchanged) -> list[tuple[Rater, Said, int]]:
        """Who said what that counts. Of one rater's several answers in one record the last counts; who has no name is told apart by their place."""
        made: dict[str, tuple[Rater, Said, int]] = {}
        unnamed = [index for index, one in enumerate(found.said) if not one.rater]
        for index, one in enumerate(found.said):
            if one.state != "submitted" or not one.values:
                continue
            name = one.rater or (self.format.name if len(unnamed) == 1 else f"{self.format.name} {unnamed.index(index) + 1}")
            login = self.people.get(name)
            rater = person(login) if login is not None else Rater(kind=RaterKind.IMPORT, name=name, version=self.project)
            made[rater.id] = (rater, one, index)
        return list(made.values())

    def _write(self, tx: WriteTransaction, chunk: list[tuple[int, tuple[int, Exchanged]]]) -> Counter[str]:
        counts: Counter[str] = Counter(records=len(chunk))
        items = {position: self._item(found, number) for position, (number, found) in chunk}
        shown = {item.id for item in items.values()}
        known = set(
            tx.conn.execute(
                select(X.item_id).where(X.workspace_id == tx.workspace_id, X.project == self.project, X.item_id.in_(sorted(shown)))
            ).scalars()
        )
        counts["items"] = len(shown - known)
        new_tasks = [self._task(found, items[position]) for position, (_, found) in chunk if self._is_put(found)]
        if new_tasks:
            put = put_tasks(tx, self.project, new_tasks, rubric=self.terms.rubric.id)
            if put.refused:
                raise InputError(f"This cannot be put before people: {put.refused[0].what}", where=f"{self.path.name} item {put.refused[0].item}")
            counts["tasks"] = put.put
        put_items(tx, items.values())
        rows, judged = [], []
        ensured: set[str] = set()
        for position, (_, found) in chunk:
            item = items[position]
            self._suggest(tx, found, item.id)
            counts["suggestions"] += sum(len(one.values) for one in found.proposed)
            entries = [_entry(one) for one in found.said]
            for rater, one, index in self._raters(found):
                if rater.id not in ensured:
                    ensured.add(ensure_rater(tx, rater))
                entries[index]["rater"] = rater.id
                for question, value in one.values.items():
                    key = f"{self.id}:{position}:{index}:{question}"
                    said = Judgement(
                        item.id,
                        question,
                        rater.id,
                        self.terms.rubric.id,
                        value,
                        reason=one.reason,
                        active_ms=one.active_ms,
                        idempotency_key=key,
                    )
                    judged.append((entries[index], question, said))
            rows.append(
                {
                    "import_id": self.id,
                    "position": position,
                    "project": self.project,
                    "item_id": item.id,
                    "foreign_id": found.id,
                    "again": int(item.id in known),
                    "extra": dict(found.extra),
                    "said": entries,
                    "proposed": [
                        {"model": p.model, "version": p.version, "values": dict(p.values), "score": p.score, "raw": p.raw} for p in found.proposed
                    ],
                }
            )
            known.add(item.id)
        ids = add_judgements(tx, [said for _, _, said in judged])
        for (entry, question, _), made in zip(judged, ids, strict=True):
            entry.setdefault("judgements", {})[question] = made
        tx.insert(exchange_record, *rows)
        tx.conn.execute(update(exchange_import).where(M.workspace_id == tx.workspace_id, M.id == self.id).values(rows=M.rows + len(chunk)))
        counts["answers"] = len(ids)
        return counts

    def _gold_of(self, found: Exchanged) -> dict[str, Any]:
        return {name: value for one in found.said if one.gold and one.state == "submitted" for name, value in one.values.items()} if self.gold else {}

    def _is_put(self, found: Exchanged) -> bool:
        answered = any(one.state == "submitted" and one.values for one in found.said)
        return bool(self._gold_of(found)) or self.queue == "all" or (self.queue == "unanswered" and not answered)

    def _task(self, found: Exchanged, item: Item) -> NewTask:
        gold = self._gold_of(found)
        # Who answered it elsewhere is not asked again.
        authors = [rater.name for rater, _, _ in self._raters(found) if rater.is_person]
        proposed = [
            Suggestion(question, value, score=one.score, model=one.model, model_version=one.version)
            for one in found.proposed
            for question, value in one.values.items()
        ]
        return NewTask(item, proposed, purpose="gold" if gold else "work", gold=gold, authors=authors)

    def _suggest(self, tx: WriteTransaction, found: Exchanged, item_id: str) -> None:
        stamp = tx.stamp()
        rows = []
        for one in found.proposed:
            for question, value in one.values.items():
                of = {"item": item_id, "question": question, "model": one.model, "version": one.version}
                row = {"id": content_id("sug", of), "item_id": item_id, "question": question, "value": json_text(value), "probability": None}
                rows.append({**stamp, **row, "score": one.score, "model": one.model, "model_version": one.version})
        if rows:
            _INSERT_SUGGESTION.run(tx.conn, rows)


def _entry(one: Said) -> dict[str, Any]:
    return {"name": one.rater, "state": one.state, "active_ms": one.active_ms, "guideline": one.guideline, "gold": one.gold, "raw": one.raw}


def _require_accounts(workspace: Workspace, people: Mapping[str, str]) -> None:
    if not people or not has_accounts(workspace):
        return
    for login in people.values():
        find_account(workspace, login)


def _require_loss_free(workspace: Workspace, path: Path, sha256: Any) -> None:
    """Raise ``InputError`` for a file that was exported here to be opened in a spreadsheet: an apostrophe more is another answer."""
    e = ledger_entry.c
    where = (e.workspace_id == workspace.id, e.type == "review.exported", e.body.contains(f'"sha256":"{sha256}"', autoescape=True))
    with workspace.read() as conn:
        told = [json.loads(body) for body in conn.execute(select(e.body).where(*where)).scalars()]
    if told and all(each.get("changed") for each in told):
        raise InputError(
            "This file was exported to be opened in a spreadsheet.",
            where=str(path),
            why="cells that look like formulas have an apostrophe before them there, so they are not what was said",
            mend="export it again without --for-spreadsheets, and import that",
        )


def _digest(path: Path) -> str:
    """The SHA-256 of a file, or of the names and bytes of a folder's files."""
    whole = hashlib.sha256()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        if path.is_dir():
            whole.update(f"{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as opened:
            while piece := opened.read(1 << 20):
                whole.update(piece)
    return whole.hexdigest()
