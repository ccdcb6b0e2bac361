"""The formats, by name: what each is, how its records are told and what they stand in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pilotage.core import InputError, NotFound
from pilotage.review.exchange.argilla import FlatCodec, NestedCodec
from pilotage.review.exchange.containers import Container, Delimited, Header, HfFolder, JsonArray, JsonObject, Lines, Parquet
from pilotage.review.exchange.doccano import DoccanoCodec
from pilotage.review.exchange.json_stream import Row
from pilotage.review.exchange.label_studio import MinCodec, TaskCodec
from pilotage.review.exchange.lewidi import LewidiCodec
from pilotage.review.exchange.long_table import LongTableCodec
from pilotage.review.exchange.preference_rows import DpoCodec, HhCodec, KtoCodec
from pilotage.review.exchange.prodigy import ProdigyCodec
from pilotage.review.exchange.reading import Codec, Terms
from pilotage.review.exchange.record import Exchanged, ExchangeLimits, Misfit


@dataclass(frozen=True)
class Format:
    """One format. ``keeps`` says what of a project it can express, for people."""

    name: str
    title: str
    codec: Codec
    container: Container
    suffix: str
    keeps: str


def _table(name: str, suffix: str, container: Container) -> Format:
    return Format(
        name, f"long table ({suffix[1:]}): task, worker, label, ms, guideline", LongTableCodec(), container, suffix, "answers to one question"
    )


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("label-studio", "Label Studio JSON", TaskCodec(), JsonArray(), ".json", "items, answers, suggestions, drafts"),
        Format("label-studio-min", "Label Studio JSON_MIN", MinCodec(), JsonArray(), ".json", "items, answers"),
        Format("argilla", "Argilla records, flat, JSON lines", FlatCodec(), Lines(), ".jsonl", "items, answers, one suggestion a question"),
        Format(
            "argilla-nested", "Argilla records, nested, JSON lines", NestedCodec(), Lines(), ".jsonl", "items, answers, one suggestion a question"
        ),
        Format("argilla-hf", "Argilla records, flat, in a datasets folder", FlatCodec(), HfFolder(), "", "items, answers, one suggestion a question"),
        _table("table-csv", ".csv", Delimited(",")),
        _table("table-tsv", ".tsv", Delimited("\t")),
        _table("table-parquet", ".parquet", Parquet()),
        Format("prodigy", "Prodigy JSON lines", ProdigyCodec(), Lines(), ".jsonl", "items, one answer a line"),
        Format("doccano", "doccano JSON lines", DoccanoCodec(), Lines(), ".jsonl", "items, answers without who gave them"),
        Format("lewidi", "LeWiDi JSON", LewidiCodec(), JsonObject(), ".json", "items, answers to one question"),
        Format("dpo", "DPO and TRL preferences, JSON lines", DpoCodec(), Lines(), ".jsonl", "preferences as they came"),
        Format("kto", "KTO, JSON lines", KtoCodec(), Lines(), ".jsonl", "yes or no of one completion, as it came"),
        Format("hh-rlhf", "HH-RLHF, JSON lines", HhCodec(), Lines(), ".jsonl", "preferences as they came"),
    )
}


def find_format(name: str) -> Format:
    """The format of this name. Raises ``InputError`` with those there are."""
    found = FORMATS.get(name)
    if found is None:
        raise InputError(f"Unknown format: {name!r}.", mend=f"use one of: {', '.join(FORMATS)}")
    return found


def require_file(path: Path, format: Format, limits: ExchangeLimits) -> None:
    """Raise ``NotFound`` or ``InputError`` unless there is a file (or folder) within the limits."""
    if not path.exists():
        raise NotFound("There is no such file.", where=str(path), mend="check the path")
    if path.is_dir() != format.container.folder:
        raise InputError(f"{format.title} is a {'folder' if format.container.folder else 'file'}.", where=str(path), mend="check the format")
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    if size > limits.bytes:
        raise InputError(f"This is {size} bytes, and at most {limits.bytes} are taken.", where=str(path), mend="take it in parts")


def read_rows(path: Path, format: Format, limits: ExchangeLimits, header: Header) -> Iterator[Row]:
    """The rows of a file as they stand, within the limits. Raises ``InputError`` for what is no such file."""
    require_file(path, format, limits)
    for count, (number, row) in enumerate(format.container.read(path, limits, header), start=1):
        if count > limits.rows:
            raise InputError(f"There are more than {limits.rows} rows.", where=str(path), mend="take it in parts")
        yield number, row


def read_records(path: Path, format: Format, terms: Terms, limits: ExchangeLimits, header: Header) -> Iterator[tuple[int, Exchanged | Misfit]]:
    """The records of a file, each with its row; of a row that cannot be taken, why."""
    terms.check()
    for number, row in read_rows(path, format, limits, header):
        if isinstance(row, Misfit):
            yield number, row
            continue
        try:
            if not _is_storable(row, limits.depth):
                _require_storable(row, limits.depth)
            yield number, format.codec.read(row, terms)
        except Misfit as misfit:
            yield number, misfit


def _is_storable(value: object, depth: int) -> bool:
    """Whether it surely is: what most rows are is told at a glance, and only of the others is said what is wrong where."""
    kind = type(value)
    if depth < 0:
        return False
    if kind is str:
        return value.isascii() and "\x00" not in value  # type: ignore[attr-defined, operator]
    if kind is dict:
        return all(_is_storable(name, depth - 1) and _is_storable(each, depth - 1) for name, each in value.items())  # type: ignore[attr-defined]
    if kind is list:
        return all(_is_storable(each, depth - 1) for each in value)  # type: ignore[attr-defined]
    if kind is int:
        return -(2**53) < value < 2**53  # type: ignore[operator]
    return value is None or kind is bool or (kind is float and value - value == 0)  # type: ignore[operator]


def _require_storable(value: object, depth: int, path: str = "") -> None:
    """Raise ``Misfit`` for what no canonical JSON holds: nesting without end, huge integers, lone surrogates, dates and bytes of tables."""
    if depth < 0:
        raise Misfit(path or None, "nested too deep")
    if isinstance(value, dict):
        for name, each in value.items():
            _require_storable(name, depth - 1, path)
            _require_storable(each, depth - 1, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            _require_storable(each, depth - 1, f"{path}[{index}]")
    elif isinstance(value, str):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise Misfit(path or None, "half a surrogate pair is no text") from None
        if "\x00" in value:
            raise Misfit(path or None, "a null character is no text a database holds")
    elif isinstance(value, int | float) or value is None:
        if isinstance(value, int) and not -(2**53) < value < 2**53:
            raise Misfit(path or None, "a whole number beyond 2**53 cannot be kept exactly; write it as text")
        if isinstance(value, float) and value - value != 0:
            raise Misfit(path or None, "not a finite number")
    else:
        raise Misfit(path or None, f"a {type(value).__name__} has no form in JSON; write it as text")
