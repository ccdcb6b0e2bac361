"""The loop report: did the new model get better, on items that none learnt from?

Both models are tried on the same frozen random slice, and compared pair by pair with what people say there. Only answers given without a suggestion
in sight count as the truth (and adjudications): people who saw the old model's answer lean towards it, which would favour it. A slice that the
training rows reach, by item or by the same input, is refused: it would measure memory.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from sqlalchemy import Connection, select

from pilotage.core import InputError, NotFound, Refused, digest
from pilotage.data import family, load_version, rows
from pilotage.evidence import Comparison, Evidence, Observation, compare_paired, rate
from pilotage.judging import RaterKind, judgements
from pilotage.judging.rubric import Question, find_rubric
from pilotage.judging.tables import item_payload
from pilotage.review.flywheel.exchange import as_text, exchange_of
from pilotage.review.flywheel.slices import FrozenSlice, load_slice
from pilotage.review.measuring.matching import plain
from pilotage.review.tables import review_task, suggestion
from pilotage.store import Workspace

_CHUNK = 500
_SORTS = {"correction": "corrected", "confirmation": "confirmed", "preference": "preference"}
_UNBIASED = (None, "withheld")


@dataclass(frozen=True)
class LoopReport:
    """New against old on a frozen slice.

    old, new
        How often each was right.
    comparison
        The paired difference, with exact McNemar.
    truths
        What the truth of the slice's items rests on, by source; the rest of the slice has none and is not counted.
    learnt
        The rows of ``trained_on``, by what they are: ``corrected``, ``confirmed``, ``preference`` or ``other``.
    """

    slice: FrozenSlice
    old: Evidence
    new: Evidence
    comparison: Comparison
    truths: dict[str, int]
    learnt: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "slice": {"name": self.slice.name, "items": len(self.slice.items), "pool": self.slice.pool, "digest": self.slice.digest},
            "old": self.old.to_dict(),
            "new": self.new.to_dict(),
            "comparison": self.comparison.to_dict(),
            "truths": self.truths,
            "learnt": self.learnt,
        }

    def __str__(self) -> str:
        truths = ", ".join(f"{count} {source}" for source, count in self.truths.items()) or "none"
        learnt = ", ".join(f"{count} {what}" for what, count in self.learnt.items()) or "nothing"
        return f"{self.slice}\n  learnt from: {learnt}\n  truth: {truths}\n  old: {self.old}\n  new: {self.new}\n  {self.comparison}"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def loop_report(
    workspace: Workspace,
    project: str,
    question: str,
    *,
    slice: str,
    old: tuple[str, str],
    new: tuple[str, str],
    trained_on: Sequence[str],
    level: float = 0.95,
) -> LoopReport:
    """Compare two models on a frozen slice.

    Parameters
    ----------
    slice
        Its name; see :func:`freeze_slice`.
    old, new
        ``(model, version)``, as their suggestions name them. Both must have answered every item of the slice whose truth is known.
    trained_on
        The dataset versions the new model learnt from. They and all they were made from are searched for the slice.

    Raises
    ------
    Refused
        If the training rows reach the slice, or a model has not answered all of it.
    NotFound
        If there is no such slice or version.

    Cost: one pass over the training rows, and the slice's payloads.
    """
    frozen = load_slice(workspace, project, slice)
    learnt = _require_unseen(workspace, frozen, trained_on)
    with workspace.read() as conn:
        asked = _question(conn, workspace.id, project, question)
        said = {model: _said(conn, workspace.id, frozen.items, question, model) for model in (old, new)}
    truth, sources = _truth(workspace, frozen, asked)
    for model, values in said.items():
        missing = sorted(set(truth) - set(values))
        if missing:
            raise Refused(
                f"{model[0]} {model[1]} has not answered {len(missing)} of the slice's items.",
                where=f"item {missing[0]}",
                why="a model that leaves out what it cannot do would look better than it is",
                mend="have it answer the whole slice, and keep its answers as suggestions",
            )
    sides = {
        model: [Observation(item, plain(asked, values[item]) == plain(asked, right)) for item, right in sorted(truth.items())]
        for model, values in said.items()
    }
    subject = {"pilot": project, "versions": sorted({load_version(workspace, ref).id for ref in trained_on})}
    figures = [rate(sides[model], metric="correct", level=level, subject=subject, detail={"model": list(model)}) for model in (old, new)]
    comparison = compare_paired(sides[old], sides[new], metric="correct", against=f"{old[0]} {old[1]}", level=level, subject=subject)
    return LoopReport(frozen, figures[0], figures[1], comparison, sources, learnt)


def require_disjoint(frozen: FrozenSlice, training: Iterable[Mapping[str, Any]], inputs: Mapping[str, str]) -> None:
    """Raise ``Refused`` if a training row was made from an item of the slice or has the same input. ``inputs``: digest of an input → item."""
    items = set(frozen.items)
    for row in training:
        lineage = row.get("lineage") or {}
        item = lineage.get("item")
        if item not in items:
            item = next((inputs[each] for each in _inputs_of_row(row) if each in inputs), None)
        if item is not None:
            raise Refused(
                f"The training rows reach the slice '{frozen.name}'.",
                where=f"row {row.get('id')}, item {item}",
                why="a model is not tried on what it learnt",
                mend="train without that row, or freeze a new slice of items that no model has seen",
            )


def _require_unseen(workspace: Workspace, frozen: FrozenSlice, trained_on: Sequence[str]) -> dict[str, int]:
    """Raise ``Refused`` if what was learnt from reaches the slice. Returns the rows of ``trained_on`` by what they are."""
    if not trained_on:
        raise InputError("What the new model learnt from is not named.", why="nobody could tell whether it saw the slice", mend="name the versions")
    versions = {load_version(workspace, ref).id for ref in trained_on}
    # An ancestor's rows may be in what was trained on under other ids; those that are evaluation data are what the slice itself was made from.
    named = sorted(versions)
    for ref in named:
        versions |= {each.id for each in family(workspace, ref).ancestors if each.kind == "training"}
    inputs = _inputs_of_slice(workspace, frozen)
    learnt: Counter[str] = Counter()
    for version in sorted(versions):
        require_disjoint(frozen, _counted(rows(workspace, version), learnt if version in named else Counter()), inputs)
    return dict(sorted(learnt.items()))


def _counted(training: Iterable[Mapping[str, Any]], by: Counter[str]) -> Iterator[Mapping[str, Any]]:
    for row in training:
        by[_SORTS.get(str((row.get("tags") or {}).get("made_by")), "other")] += 1
        yield row


def _inputs_of_slice(workspace: Workspace, frozen: FrozenSlice) -> dict[str, str]:
    p, found = item_payload.c, {}
    with workspace.read() as conn:
        for start in range(0, len(frozen.items), _CHUNK):
            part = frozen.items[start : start + _CHUNK]
            for row in conn.execute(select(p.item_id, p.payload).where(p.workspace_id == workspace.id, p.item_id.in_(part))):
                exchange = exchange_of(row.payload)
                texts = {as_text(row.payload)}
                if exchange is not None:
                    texts.add(_last_turn(exchange.prompt))
                found.update({_key(text): row.item_id for text in texts})
    return found


def _inputs_of_row(row: Mapping[str, Any]) -> list[str]:
    messages = list(row.get("messages") or [])
    if row.get("kind") != "preference" and messages and messages[-1]["role"] == "assistant":
        messages.pop()
    text = _last_turn(messages)
    # Rows that label an item carry the question before its text.
    return [_key(text), *([_key(text.partition("\n\n")[2])] if "\n\n" in text else [])]


def _last_turn(messages: Sequence[Mapping[str, Any]]) -> str:
    return str(next((each.get("content") or "" for each in reversed(messages) if each["role"] == "user"), ""))


def _key(text: str) -> str:
    return digest(" ".join(text.split()).casefold())


def _question(conn: Connection, workspace_id: str, project: str, question: str) -> Question:
    t = review_task.c
    refs = conn.execute(select(t.rubric_id).where(t.workspace_id == workspace_id, t.queue == project).distinct().order_by(t.rubric_id)).scalars()
    for ref in refs:
        for each in find_rubric(conn, ref, workspace_id=workspace_id).questions:
            if each.name == question:
                if each.kind in ("text", "edit"):
                    raise InputError(
                        f"'{question}' is free text.", why="whether it is right cannot be told by comparing", mend="choose a question with values"
                    )
                return each
    raise NotFound(f"No task of '{project}' asks '{question}'.")


def _said(conn: Connection, workspace_id: str, items: Sequence[str], question: str, model: tuple[str, str]) -> dict[str, Any]:
    s, found = suggestion.c, {}
    for start in range(0, len(items), _CHUNK):
        query = select(s.item_id, s.value).where(
            s.workspace_id == workspace_id,
            s.item_id.in_(items[start : start + _CHUNK]),
            s.question == question,
            s.model == model[0],
            s.model_version == model[1],
        )
        found.update({row.item_id: row.value for row in conn.execute(query)})
    return found


def _truth(workspace: Workspace, frozen: FrozenSlice, question: Question) -> tuple[dict[str, Any], dict[str, int]]:
    """What people say of the slice's items, by majority of those who saw no suggestion; an adjudicator's word goes before."""
    said: dict[str, list[Any]] = defaultdict(list)
    for each in judgements(workspace, item_ids=frozen.items, question=question.name, rater_kind=RaterKind.PERSON):
        if not each.abstained:
            said[each.item_id].append(each)
    truth: dict[str, Any] = {}
    sources: Counter[str] = Counter()
    for item in frozen.items:
        given = said.get(item, [])
        decided = [each for each in given if each.purpose == "adjudication"]
        unbiased = [each for each in given if each.arm in _UNBIASED and each.suggestion is None]
        if decided:
            truth[item], source = decided[-1].value, "adjudicated"
        elif not given:
            source = "not answered"
        elif not unbiased:
            source = "answered only with a suggestion in sight"
        else:
            votes = Counter(plain(question, each.value) for each in unbiased).most_common(2)
            tied = len(votes) > 1 and votes[0][1] == votes[1][1]
            source = "tied" if tied else "answered without a suggestion"
            if not tied:
                truth[item] = next(each.value for each in unbiased if plain(question, each.value) == votes[0][0])
        sources[source] += 1
    return truth, dict(sorted(sources.items()))
