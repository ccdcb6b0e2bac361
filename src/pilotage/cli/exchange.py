"""``pilotage exchange``: files of other annotation tools, in and out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilotage.cli.session import session

if TYPE_CHECKING:
    from pilotage.review.exchange import Proposal

app = typer.Typer(help="Exchange with other annotation tools: what they wrote comes in, what was judged here goes out.", no_args_is_help=True)

Pairs = list[str] | None
Format = Annotated[str, typer.Option("--format", "-f", help="see 'pilotage exchange formats'")]
AnsweredBy = Annotated[str | None, typer.Option("--question", help="which question the file answers, where its format names none")]
Fields = Annotated[Pairs, typer.Option("--field", help="ours=theirs: a payload field that is called otherwise; once for each")]
Columns = Annotated[Pairs, typer.Option("--column", help="task|worker|label|ms|guideline=column of a table; once for each")]


@app.command("formats")
def list_formats() -> None:
    """List the formats, and what of a project each can hold."""
    from pilotage.review.exchange import FORMATS

    for each in FORMATS.values():
        typer.echo(f"{each.name:18} {each.title}\n{'':18}   holds: {each.keeps}")


@app.command("import")
def import_file(
    context: typer.Context,
    project: Annotated[str, typer.Argument(help="the project that takes it")],
    path: Annotated[Path, typer.Argument(help="the file, or the folder of a dataset")],
    format: Format,
    question: AnsweredBy = None,
    field: Fields = None,
    column: Columns = None,
    map: Annotated[Pairs, typer.Option("--map", help="name=login: whose answers these are; everybody else is no person; once for each")] = None,
    slice: Annotated[Pairs, typer.Option("--slice", help="a field that says what an item counts towards, such as language; once for each")] = None,
    queue: Annotated[str, typer.Option(help="which items are put before people: unanswered, all or none")] = "unanswered",
    gold: Annotated[bool, typer.Option("--gold", help="what the file calls ground truth becomes gold, to measure people with")] = False,
    last: Annotated[
        bool, typer.Option("--last", help="of a rater's several answers to one question the last stands, instead of being refused")
    ] = False,
    skip_refused: Annotated[bool, typer.Option("--skip-refused", help="take the other rows where some cannot be taken")] = False,
    config: Annotated[Path | None, typer.Option(help="Label Studio's labelling configuration (XML), to check where answers point")] = None,
) -> None:
    """Take a file into a project. Every row that cannot be taken is named; one of them refuses the file unless told otherwise. Leaves with 1 then."""
    from pilotage.core import InputError
    from pilotage.review.exchange import import_into

    if queue not in ("unanswered", "all", "none"):
        raise InputError(f"Unknown choice: {queue!r}.", where="--queue", mend="use unanswered, all or none")
    proposal = _from_config(config, project) if config is not None else None
    with session(context).open() as workspace:
        report = import_into(
            workspace,
            project,
            path,
            format,
            question=question,
            fields=_pairs("--field", field) or (dict(proposal.fields) if proposal else None),
            columns=_pairs("--column", column),
            targets=proposal.targets if proposal else None,
            slices=slice or (),
            people=_pairs("--map", map),
            queue=queue,  # type: ignore[arg-type]
            gold=gold,
            repeated="last" if last else "refuse",
            skip_refused=skip_refused,
        )
    typer.echo(str(report))
    if not report.taken:
        raise typer.Exit(1)


@app.command("export")
def export_file(
    context: typer.Context,
    project: Annotated[str, typer.Argument(help="the project that is let out")],
    path: Annotated[Path, typer.Argument(help="where to; nothing may stand there")],
    format: Format,
    question: AnsweredBy = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="call raters 'rater 1', 'rater 2', … and leave out what may name them")] = False,
    for_spreadsheets: Annotated[
        bool,
        typer.Option("--for-spreadsheets", help="CSV and TSV to be opened by a person: no cell is taken for a formula. Not to be imported again"),
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="replace what stands there")] = False,
) -> None:
    """Write a project's items, suggestions and answers. Gold and planted suggestions never leave. What the format cannot hold is counted."""
    from pilotage.review.exchange import export_from

    with session(context).open() as workspace:
        report = export_from(
            workspace, project, path, format, question=question, anonymous=anonymous, for_spreadsheets=for_spreadsheets, replace=replace
        )
    typer.echo(str(report))


@app.command("rubric")
def propose(
    source: Annotated[Path, typer.Argument(help="Label Studio's labelling configuration (.xml) or Argilla's settings (.json)")],
    name: Annotated[str, typer.Option(help="of the rubric")] = "imported",
) -> None:
    """Propose a rubric as YAML, to look at and put into a project. What no question can be made of is named."""
    import json

    import yaml

    from pilotage.core import InputError
    from pilotage.review.exchange import rubric_from_argilla

    if source.suffix.lower() == ".json":
        try:
            settings = json.loads(source.read_bytes())
        except ValueError as error:
            raise InputError(f"These settings are no JSON: {error}.", where=str(source)) from error
        if not isinstance(settings, dict):
            raise InputError("These settings are no JSON object.", where=str(source))
        proposal = rubric_from_argilla(settings, name=name)
    else:
        proposal = _from_config(source, name)
    questions = [
        {key: value for key, value in question.to_dict().items() if value not in (None, [], "") and key not in _DEFAULTS.get(question.kind, _FEW)}
        for question in proposal.rubric.questions
    ]
    typer.echo(
        yaml.safe_dump({"name": name, "guideline": proposal.rubric.guideline or "…", "questions": questions}, sort_keys=False, allow_unicode=True)
    )
    for line in proposal.unsure:
        typer.echo(f"# look at: {line}", err=True)
    for called, reason in proposal.left_out:
        typer.echo(f"# no question: {called}: {reason}", err=True)


_FEW = ("minimum", "maximum")
_DEFAULTS: dict[str, tuple[str, ...]] = {"rating": ()}


def _from_config(path: Path, name: str) -> Proposal:
    from pilotage.core import InputError
    from pilotage.review.exchange import rubric_from_config

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError("The configuration is not UTF-8.", where=str(path), mend="save it as UTF-8") from error
    return rubric_from_config(text, name=name, where=str(path))


def _pairs(option: str, told: Pairs) -> dict[str, Any] | None:
    from pilotage.core import InputError

    if not told:
        return None
    found: dict[str, str] = {}
    for each in told:
        name, equals, value = each.partition("=")
        if not (name and equals and value) or name in found:
            raise InputError(f"Not name=value, or a name given twice: {each!r}.", where=option, mend=f"write {option} name=value")
        found[name] = value
    return found
