"""Tables, progress and confirmation on a terminal; plain lines where there is none."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from pilotage.core import LogProgress, Progress, Step, describe


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """Print a table. Columns whose every value is a number are aligned right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    listed = [[cell if isinstance(cell, str) else ("" if cell is None else str(cell)) for cell in row] for row in rows]
    shown = Table(title=title, box=None, title_justify="left", header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        numeric = bool(listed) and all(row[number].replace(".", "").replace("-", "").isdigit() for row in listed)
        shown.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        shown.add_row(*(Text(cell) for cell in row))  # Text: what models wrote is never markup
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(shown)


def as_json(value: Any) -> None:
    """Print a value as JSON, for other programs."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True))


class TerminalProgress:
    """A live bar on a terminal."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description:<9}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[tallies]}"),
        )
        self._tasks: dict[str, Any] = {}
        self._bars.start()

    def update(self, step: Step) -> None:
        tallies = "  ".join(f"{name} {count}" for name, count in sorted(step.counts.items()) if count)
        if step.name not in self._tasks:
            self._tasks[step.name] = self._bars.add_task(step.name, total=step.total, tallies=tallies)
        self._bars.update(self._tasks[step.name], completed=step.done, total=step.total, tallies=tallies)

    def finish(self, step: Step) -> None:
        self.update(step)
        if step.name in self._tasks:
            self._bars.stop_task(self._tasks[step.name])

    def close(self) -> None:
        """Leave the bars as they are and give the terminal back."""
        self._bars.stop()


class PlainProgress:
    """A line when a step ends: for pipes and logs."""

    def update(self, step: Step) -> None:
        pass

    def finish(self, step: Step) -> None:
        typer.echo(f"  {describe(step)}", err=True)

    def close(self) -> None:
        pass


def progress() -> TerminalProgress | PlainProgress:
    """Bars on a terminal, plain lines elsewhere."""
    return TerminalProgress() if sys.stderr.isatty() else PlainProgress()


__all__ = ["LogProgress", "PlainProgress", "Progress", "TerminalProgress", "as_json", "progress", "table"]
