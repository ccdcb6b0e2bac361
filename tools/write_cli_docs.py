"""Write docs/cli.md from the command itself: every verb with its arguments and options.

    python tools/write_cli_docs.py            # writes the page
    python tools/write_cli_docs.py --check    # exits 1 if the committed page says something else

``tests/cli/test_docs.py`` does the check with every run of the tests.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from pilotage.cli.main import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"

_INTRODUCTION = """\
# Command line

<!-- Written by tools/write_cli_docs.py from the command itself. Change a help text in src/pilotage/cli/ and run the tool again. -->

Everything is one command, `pilotage`. `pilotage VERB --help` says the same as this page.

| exit status | meaning |
|---|---|
| 0 | done; `gate`: every gate passes or is waived |
| 1 | `gate`: a gate fails; else: refused, or it conflicts with what is there |
| 2 | `gate`: inconclusive; else: what you gave is malformed, or what you named does not exist |
| 3 | `gate`: evidence is missing or invalid, or none can be had; `verify`: the ledger is broken; else: stored data does not match its hashes |
| 4 | something outside cannot be reached; `run`: paused by a budget or an outage. Run it again to go on |
| 130 | stopped with Ctrl+C; run it again to go on |

What goes wrong is said on standard error: what, where, why and how to mend it.

## Settings

A setting is taken from the command line, else from the environment, else from `pilotage.toml` in the current folder (or the file named by
`PILOTAGE_CONFIG`), else it has its default. An unknown key in the file is refused.

| setting | environment | default |
|---|---|---|
| `workspace` | `PILOTAGE_WORKSPACE` | `.pilotage`; or a database URL `postgresql+psycopg://…?workspace=NAME&blobs=FOLDER` |
| `key_dir` | `PILOTAGE_KEY_DIR` | `pilotage/keys` in your data folder; never inside the workspace |
| `actor` | `PILOTAGE_ACTOR` | your login; who acts, as the ledger writes it, while there are no accounts |
| `host`, `port` | `PILOTAGE_HOST`, `PILOTAGE_PORT` | `127.0.0.1`, `8321` |

Secrets are never settings: a target names the environment variable that holds its key.
"""


def page() -> str:
    """The whole page."""
    root: Any = get_command(app)
    parts = [_INTRODUCTION, "## Options of every verb\n\nThey stand before the verb: `pilotage -w other/ status`.\n\n" + "\n".join(_options(root))]
    for name, command in sorted(root.commands.items(), key=lambda item: hasattr(item[1], "commands")):
        if hasattr(command, "commands"):
            parts.append(f"## pilotage {name}\n\n{command.help}")
            parts += _verbs(f"pilotage {name}", command)
        else:
            parts.append(_verb(f"pilotage {name}", command, level=2))
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _verbs(called: str, group: Any) -> Iterator[str]:
    """The verbs of a group, and of the groups in it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield f"### {called} {name}\n\n{command.help}"
            yield from _verbs(f"{called} {name}", command)
        else:
            yield _verb(f"{called} {name}", command, level=3)


def _verb(called: str, command: Any, *, level: int) -> str:
    words = [called, *(_argument(each) for each in command.params if each.param_type_name == "argument")]
    if any(each.param_type_name == "option" for each in command.params):
        words.append("[OPTIONS]")
    described = [f"{'#' * level} {called}", "", " ".join((command.help or "").split()), "", "```", " ".join(words), "```"]
    arguments = [
        f"- `{each.name.upper()}`: {each.help}{_default(each, each.help)}"
        for each in command.params
        if each.param_type_name == "argument" and each.help
    ]
    options = list(_options(command))
    return "\n".join([*described, *(["", *arguments] if arguments else []), *(["", *options] if options else [])])


def _argument(parameter: Any) -> str:
    name = parameter.name.upper()
    return name if parameter.required else f"[{name}]"


def _options(command: Any) -> Iterator[str]:
    shown = [each for each in command.params if each.param_type_name == "option" and each.name not in ("install_completion", "show_completion")]
    if shown:
        yield "| option | |"
        yield "|---|---|"
    for each in shown:
        names = ", ".join(f"`{name}`" for name in [*each.opts, *each.secondary_opts])
        said = (each.help or "").rstrip(".")
        yield f"| {names} | {_escaped(said)}{_default(each, said)} |"


def _default(option: Any, said: str) -> str:
    if option.required:
        return " (needed)" if option.param_type_name == "option" else ""
    value = option.default
    empty = value is None or value is False or value in ("", ())
    return "" if empty or callable(value) or "default" in said.casefold() else f" (default: `{value}`)"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    text = page()
    if "--check" in sys.argv[1:]:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        if not same:
            print("docs/cli.md is out of date; run: python tools/write_cli_docs.py", file=sys.stderr)
        return 0 if same else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
