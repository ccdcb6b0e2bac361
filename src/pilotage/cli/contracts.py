"""Contracts of tables: draft, keep, compare, exchange, and decide on what the data suggest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.session import session

if TYPE_CHECKING:
    import pyarrow as pa

    from pilotage.data.contracts import Contract
    from pilotage.store import Workspace

app = typer.Typer(help="Contracts: what the source of a table promises.", no_args_is_help=True, rich_markup_mode=None)
odcs = typer.Typer(help="Contracts as ODCS, the Open Data Contract Standard v3.1.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(odcs, name="odcs")

Ref = Annotated[str, typer.Argument(help="A contract: its id, its name (the latest), name@version, or a YAML file.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="The file to write; it must not be there yet. Default: print it.")]


@app.command()
def infer(
    path: Annotated[Path, typer.Argument(help="A .csv, .jsonl, .parquet or .arrow file.")],
    name: Annotated[str | None, typer.Option(help="The contract's name. Default: the file's.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who answers for the data.")] = None,
    out: Out = None,
) -> None:
    """Draft a contract from data, for a person to confirm: guesses are tagged 'to-confirm'."""
    from pilotage.data.contracts import dump_contract, infer_contract
    from pilotage.data.contracts.inferring import UNKNOWN_OWNER

    draft = infer_contract(_read_table(path), name=name or path.stem, owner=owner or UNKNOWN_OWNER)
    _write(dump_contract(draft), out)


@app.command()
def put(context: typer.Context, path: Annotated[Path, typer.Argument(help="The contract's YAML file.")]) -> None:
    """Release a contract in the workspace. A draft with something still to confirm is refused."""
    from pilotage.core import Refused
    from pilotage.data.contracts import load_contract, put_contract, to_confirm

    contract = load_contract(path)
    left = to_confirm(contract)
    if left:
        raise Refused(
            f"This contract is still a draft: {', '.join(left[:8])}{' …' if len(left) > 8 else ''}.",
            where=str(path),
            why="what was guessed from names and values is no promise yet",
            mend="look at each, correct it, and take the tag 'to-confirm' away",
        )
    with session(context).open(create=True) as workspace:
        typer.echo(str(put_contract(workspace, contract)))


@app.command()
def show(context: typer.Context, ref: Ref) -> None:
    """Show a contract as YAML."""
    from pilotage.data.contracts import dump_contract

    typer.echo(dump_contract(_find(context, ref)), nl=False)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the contracts and their versions."""
    from pilotage.cli.render import table
    from pilotage.data.contracts import contracts

    with session(context).open() as workspace:
        rows = [(each.ref, each.owner, len(each.columns), " + ".join(each.key), each.id) for each in contracts(workspace)]
    if not rows:
        typer.echo("No contracts yet. Draft one: pilotage data contract infer FILE --out contract.yaml")
        return
    table(("contract", "owner", "columns", "key", "id"), rows)


@app.command()
def compare(context: typer.Context, old: Ref, new: Ref) -> None:
    """Say what a change of contract means: compatible, needs_migration or semantic_suspect, with each difference's effect."""
    from pilotage.data.contracts import compare_contracts

    typer.echo(str(compare_contracts(_find(context, old), _find(context, new))))


@app.command()
def check(
    context: typer.Context, path: Annotated[Path, typer.Argument(help="A .csv, .jsonl, .parquet or .arrow file.")], ref: Ref, rows: int = 10
) -> None:
    """Say which cells of a file do not keep a contract. Nothing is stored."""
    from pilotage.cli.render import table
    from pilotage.core import SystemClock
    from pilotage.data.contracts import conform

    done = conform(_read_table(path), _find(context, ref), now_us=SystemClock().now_us())
    typer.echo(str(done))
    if done.bad:
        table(("row", "column", "reason", "value"), [(cell.row, cell.column, cell.reason, cell.shown) for cell in done.bad[:rows]])
        raise typer.Exit(1)


@app.command()
def propose(
    context: typer.Context,
    ref: Annotated[str, typer.Argument(help="A contract of the workspace: its name, name@version or id.")],
    old: Annotated[Path, typer.Option(help="A file of data that keep the contract.")],
    new: Annotated[Path, typer.Option(help="A file of data as they arrive now.")],
) -> None:
    """Look for renames, changed units and new levels between two files; what is found waits for a person."""
    from pilotage.data.contracts import contract_of, propose_changes, put_proposal

    with session(context).open() as workspace:
        found = propose_changes(contract_of(workspace, ref), _read_table(old), _read_table(new))
        for proposal in found:
            typer.echo(str(put_proposal(workspace, proposal)))
    if not found:
        typer.echo("Nothing is proposed.")


@app.command()
def proposals(
    context: typer.Context,
    contract: Annotated[str | None, typer.Option(help="Only of the contract of this name.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="The decided ones too.")] = False,
) -> None:
    """List the changes that the data suggest and that wait for a decision."""
    from pilotage.cli.render import table
    from pilotage.data.contracts import proposals as stored

    with session(context).open() as workspace:
        found = stored(workspace, contract=contract, state=None if all_ else "open")
    if not found:
        typer.echo("No proposals wait for a decision.")
        return
    table(
        ("id", "contract", "proposal", "score", "state"), [(p.id, p.contract, p.proposal.summary, f"{p.proposal.score:.2f}", p.state) for p in found]
    )


@app.command()
def decide(
    context: typer.Context,
    proposal: Annotated[str, typer.Argument(help="The proposal's id.")],
    accept: Annotated[bool, typer.Option("--accept/--reject", help="Accepting releases the next version of the contract.")],
    reason: Annotated[str, typer.Option(help="Why.")],
) -> None:
    """Accept or reject a proposal, as the person who acts (--as)."""
    from pilotage.data.contracts import decide_proposal

    with session(context).open() as workspace:
        done = decide_proposal(workspace, proposal, accept=accept, by=_person(workspace), by_person=True, reason=reason)
    typer.echo(str(done) + (f"\nreleased: {done.result_id}" if done.result_id else ""))


@odcs.command("export")
def export_(context: typer.Context, ref: Ref, out: Out = None) -> None:
    """Write a contract as an ODCS v3.1 document."""
    from pilotage.data.contracts import to_odcs

    _write(to_odcs(_find(context, ref)), out)


@odcs.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="An ODCS document, YAML.")],
    table: Annotated[str | None, typer.Option(help="Which of its tables, where it has several.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who answers for the data, where the document does not say.")] = None,
    out: Out = None,
) -> None:
    """Read an ODCS document as a contract, YAML; what a contract has no word for is kept in it."""
    from pilotage.data.contracts import dump_contract, from_odcs

    _write(dump_contract(from_odcs(path, table=table, owner=owner)), out)


def _find(context: typer.Context, ref: str) -> Contract:
    from pilotage.data.contracts import contract_of, load_contract

    if Path(ref).suffix in (".yaml", ".yml"):
        return load_contract(ref)
    with session(context).open() as workspace:
        return contract_of(workspace, ref)


def _person(workspace: Workspace) -> str:
    """Who acts: where there are accounts, one of them."""
    from pilotage.people import find_account, has_accounts

    return find_account(workspace, workspace.actor).login if has_accounts(workspace) else workspace.actor


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    with out.open("x", encoding="utf-8") as file:  # never over what somebody wrote
        file.write(text)
    typer.echo(f"{out}")


def _read_table(path: Path) -> pa.Table:
    from pilotage.data.contracts.files import read_file

    return read_file(path)
