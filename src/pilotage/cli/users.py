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
    from pilotage.people import add_account

    password = _new_password(from_stdin=password_stdin)
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
def password(
    context: typer.Context,
    login: Annotated[str, typer.Argument(help="Whose password.")],
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")] = False,
) -> None:
    """Set a new password; the account's sessions end."""
    from pilotage.people import change_password, find_account

    with session(context).open() as workspace:
        account = find_account(workspace, login)
        change_password(workspace, account, password=_new_password(from_stdin=password_stdin))
    typer.echo(f"new password for {account.login}; who was signed in under it is signed out")


@app.command()
def roles(
    context: typer.Context,
    login: Annotated[str, typer.Argument(help="Whose roles.")],
    role: Annotated[list[str], typer.Option(help="owner, reviewer, operator, auditor or admin; may be given again. Roles not given are taken away.")],
) -> None:
    """Give an account exactly these roles."""
    from pilotage.people import find_account, set_roles

    with session(context).open() as workspace:
        made = set_roles(workspace, find_account(workspace, login), roles=role)
    typer.echo(f"{made.login} is now {', '.join(sorted(made.roles))}")


@app.command()
def tokens(context: typer.Context, login: Annotated[str, typer.Argument(help="Whose tokens.")]) -> None:
    """List an account's API tokens. A token's id names it and opens nothing."""
    from pilotage.cli.render import table
    from pilotage.core import iso
    from pilotage.people import find_account
    from pilotage.people import tokens as tokens_of

    with session(context).open() as workspace:
        now = workspace.clock.now_us()
        found = tokens_of(workspace, find_account(workspace, login))
    if not found:
        typer.echo(f"{login} has no API tokens. Issue one: pilotage user token {login} --name WHAT-FOR")
        return
    rows = []
    for each in found:
        ended = "revoked" if each.revoked_at is not None else "expired" if each.expires_at is not None and each.expires_at <= now else "valid"
        rows.append((each.id, each.name, ended, iso(each.created_at), "" if each.expires_at is None else iso(each.expires_at)))
    table(("token id", "name", "", "issued", "valid until"), rows)


@app.command()
def revoke(context: typer.Context, token_id: Annotated[str, typer.Argument(help="The token's id, as 'user tokens' lists it.")]) -> None:
    """End an API token."""
    from pilotage.people import revoke_token

    with session(context).open() as workspace:
        revoke_token(workspace, token_id)
    typer.echo("revoked")


def _new_password(*, from_stdin: bool) -> str:
    import sys

    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


@app.command()
def disable(context: typer.Context, login: Annotated[str, typer.Argument(help="Whose account.")]) -> None:
    """Disable an account; its sessions and tokens end."""
    from pilotage.people import disable_account, find_account

    with session(context).open() as workspace:
        disable_account(workspace, find_account(workspace, login))
    typer.echo(f"disabled {login}")
