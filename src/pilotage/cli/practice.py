"""The practice assistant: train and serve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The practice assistant: a small service to learn the loop on.", no_args_is_help=True, rich_markup_mode=None)

DEFAULT_MODELS = Path(".pilotage-practice")
DEFAULT_PORT = 8322


def newest_model(folder: Path) -> Path:
    """The folder of the newest version in ``folder``; the shipped first version is made there if there is none."""
    from pilotage.practice import base_model

    numbered = sorted(
        (path for path in folder.glob("v*") if path.name[1:].isdigit() and (path / "model.json").exists()), key=lambda path: int(path.name[1:])
    )
    if numbered:
        return numbered[-1]
    base_model(folder / "v0")
    return folder / "v0"


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Chat data in the exported SFT format (JSONL).")],
    models: Annotated[Path, typer.Option(help="The folder that holds the versions.")] = DEFAULT_MODELS,
    seed: Annotated[int, typer.Option(help="Seed of the fit.")] = 0,
) -> None:
    """Train the next version of the practice assistant on exported data."""
    from pilotage.practice import load_model
    from pilotage.practice import train as fit

    before = newest_model(models)
    after = models / f"v{int(before.name[1:]) + 1}"
    made = fit(data, base=before, out=after, seed=seed)
    typer.echo(
        f"{after}: version {made.model.version[:12]}, trained on {made.rows} new rows ({made.refusals} teach a refusal) on top of {before.name}"
    )
    if made.model.version == load_model(before).version:
        typer.echo(f"the data changed nothing: {after.name} is the same version as {before.name}, and a pilot will meet the same model", err=True)
    if made.refusals == made.rows:
        typer.echo("warning: every new row teaches a refusal; without benign rows beside them a model learns to refuse too much", err=True)


@app.command()
def serve(
    model: Annotated[Path | None, typer.Option(help="A version's folder. Default: the newest in --models.")] = None,
    models: Annotated[Path, typer.Option(help="The folder that holds the versions.")] = DEFAULT_MODELS,
    port: Annotated[int, typer.Option(help="Loopback port; 0 takes a free one.")] = DEFAULT_PORT,
) -> None:
    """Serve a version over HTTP on loopback, as an OpenAI-compatible endpoint."""
    import threading

    from pilotage.practice import serve as start

    folder = model or newest_model(models)
    with start(folder, port=port) as serving:
        typer.echo(f"serving {folder} (version {serving.model.version[:12]}) at {serving.url}; stop with Ctrl+C")
        threading.Event().wait()
