"""Training: what people correct becomes data, whether a model learnt from it, and which items people look at next."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.core import InputError, PilotageError
from pilotage.review.selecting import LEAST_RANDOM, STRATEGIES
from pilotage.server.context import PersonDep, PresentDep, WorkspaceDep, require
from pilotage.server.pages.asking import with_query
from pilotage.server.pages.cards import CardDep
from pilotage.server.queries import training
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, prefix="/review/projects/{name}/training")
Word = Annotated[str | None, Query(max_length=300)]
Text = Annotated[str, Form(max_length=300)]


@router.get("")
def show(
    request: Request,
    workspace: WorkspaceDep,
    who: PersonDep,
    name: str,
    question: Word = None,
    slice: Word = None,
    old: Word = None,
    new: Word = None,
    trained_on: Word = None,
    whole: bool = False,
) -> Response:
    """The project's corrections, slices, comparisons and batches."""
    found = training.find_training(workspace, name, question or None)
    report, problem = None, None
    if slice and old and new:
        try:
            report = training.compare(workspace, found, slice=slice, old=old, new=new, trained_on=trained_on or "")
        except PilotageError as error:
            problem = error.to_dict()
    return page(
        request,
        "review/training.html",
        found=found,
        worked=training.work_out(workspace, found) if whole or not found.is_large else None,
        report=report,
        problem=problem,
        asked={"slice": slice, "old": old, "new": new, "trained_on": trained_on},
        strategies=STRATEGIES,
        least_random=LEAST_RANDOM,
        leads=who.may("run"),
        exports=who.may("export"),
        with_query=with_query,
    )


@router.post("/publish", dependencies=[require("export")])
def publish(
    workspace: WorkspaceDep,
    who: PresentDep,
    card: CardDep,
    name: str,
    question: Text,
    dataset: Text,
    sources: Text,
    form: Annotated[Literal["instruction", "preference"], Form()] = "instruction",
    take: Annotated[Literal["corrected", "confirmed", "both"], Form()] = "corrected",
) -> Response:
    """Publish what people corrected, or confirmed, as the next version of a training set."""
    from pilotage.review.flywheel import publish_corrections

    training.find_training(workspace, name, question)
    named = [each.strip() for each in sources.split(",") if each.strip()]
    own = workspace.acting_as(who.login)
    publish_corrections(own, name, question, dataset=dataset.strip(), card=card, sources=named, form=form, take=take)
    return _back(name, question, "published")


@router.post("/freeze", dependencies=[require("run")])
def freeze(
    workspace: WorkspaceDep,
    who: PresentDep,
    name: str,
    question: Text,
    slice: Text,
    n: Annotated[int, Form(ge=1, le=1_000_000)],
    seed: Annotated[int, Form(ge=0, le=2**31)] = 0,
) -> Response:
    """Draw a random slice that nothing may learn from."""
    from pilotage.review.flywheel import freeze_slice

    training.find_training(workspace, name, question)
    if not slice.strip():
        raise InputError("A slice needs a name.", where="slice", mend="name it")
    freeze_slice(workspace.acting_as(who.login), name, slice.strip(), n=n, seed=seed)
    return _back(name, question, "slices")


@router.post("/select", dependencies=[require("run")])
def select(
    workspace: WorkspaceDep,
    who: PresentDep,
    name: str,
    question: Text,
    n: Annotated[int, Form(ge=1, le=100_000)],
    strategy: Text,
    random_share: Annotated[float, Form(ge=0, le=1)] = LEAST_RANDOM,
    seed: Annotated[int, Form(ge=0, le=2**31)] = 0,
) -> Response:
    """Choose the next items for people, a part of them by chance, and put them before them."""
    from pilotage.review.selecting import select_batch

    training.find_training(workspace, name, question)
    if strategy not in STRATEGIES:
        raise InputError(f"'{strategy}' is no way to choose.", where="strategy", mend=f"use one of: {', '.join(STRATEGIES)}")
    how: dict[str, Any] = {"shares": {strategy: 1.0}, "random_share": random_share, "seed": seed}
    select_batch(workspace.acting_as(who.login), name, question, n=n, **how)
    return _back(name, question, "batches")


def _back(name: str, question: str, part: str) -> Response:
    return RedirectResponse(f"/review/projects/{quote(name, safe='')}/training?{urlencode({'question': question})}#{part}", 303)
