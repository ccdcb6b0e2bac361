"""People: accounts, roles, tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.session import session

if TYPE_CHECKING:
    from pilotage.people import Account
    from pilotage.store import Workspace

app = typer.Typer(help="Accounts, roles and API tokens.", no_args_is_help=True, rich_markup_mode=None)


def who_acts(context: typer.Context, workspace: Workspace) -> Account:
    """The person at this terminal: the local person while there are no accounts, else whoever knows the password of ``--as``."""
    from pilotage.people import authenticate, has_accounts, local_account

    if not has_accounts(workspace):
        return local_account(workspace)
    login = session(context).settings.actor
    return authenticate(workspace, login, password=typer.prompt(f"Password of {login}", hide_input=True, err=True))


@app.command()
def add(
    context: typer.Context,
    login: Annotated[str, typer.Argument(help="The name they sign in with.")],
    role: Annotated[list[str], typer.Option(help="owner, reviewer, operator, auditor or admin; may be given again.")],
    name: Annotated[str, typer.Option(help="The name shown.")] = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")] = False,
) -> None:
    """Add an account. From the first one on, everybody signs in."""
    import sys

    from pilotage.people import add_account

    password = sys.stdin.readline().rstrip("\n") if password_stdin else typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    with session(context).open(create=True) as workspace:
        made = add_account(workspace, login=login, display_name=name or login, roles=role, password=password)
    typer.echo(f"added {made.login} ({', '.join(sorted(made.roles))})")


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the accounts."""
    from pilotage.cli.render import table
    from pilotage.people import accounts

    with session(context).open() as workspace:
        rows = [
            (each.login, each.display_name, ", ".join(sorted(each.roles)), "disabled" if each.disabled_at else "") for each in accounts(workspace)
        ]
    if rows:
        table(("login", "name", "roles", ""), rows)
    else:
        typer.echo("No accounts: whoever opens the printed address works as the local person. Add one with: pilotage user add NAME --role …")


@app.command()
def token(
    context: typer.Context,
    login: Annotated[str, typer.Argument(help="Whose token.")],
    name: Annotated[str, typer.Option(help="What it is for.")],
    days: Annotated[int, typer.Option(help="How long it is valid.")] = 90,
) -> None:
    """Issue an API token. It is shown once."""
    from pilotage.people import find_account, issue_token

    with session(context).open() as workspace:
        issued = issue_token(workspace, find_account(workspace, login), name=name, valid_days=days)
    typer.echo(issued.token)


@app.command()
def disable(context: typer.Context, login: Annotated[str, typer.Argument(help="Whose account.")]) -> None:
    """Disable an account; its sessions and tokens end."""
    from pilotage.people import disable_account, find_account

    with session(context).open() as workspace:
        disable_account(workspace, find_account(workspace, login))
    typer.echo(f"disabled {login}")
