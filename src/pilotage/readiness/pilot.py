"""The pilot file: one AI system on its way to production, declared in ``pilot.yaml``.

The file is the whole truth. Every default is written here and shown by ``pilotage show``; files it names are read relative to it and are part of its
digest, so that a changed rubric or gate is a changed pilot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pilotage.core import Declared, PilotageError, digest, fit, read_declared, sha256_hex
from pilotage.data import Card
from pilotage.evidence import Gate, load_gates_file
from pilotage.judging import Rubric, load_rubric_file
from pilotage.models import TargetConfig, check_target
from pilotage.people import ROLES
from pilotage.redteam import TECHNIQUES

# Fields of the target that decide neither what is asked nor who may be asked.
_HOW_IT_IS_ASKED = frozenset({"limits", "prices", "timeout_s", "attempts", "backoff_s"})


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Owner(_Part):
    """Who answers for the pilot."""

    name: str = Field(min_length=1)
    contact: str = ""


class Risk(_Part):
    """What could go wrong, and how much it would matter."""

    level: Literal["minimal", "limited", "high"]
    harms: tuple[str, ...] = ()
    notes: str = ""


class Source(_Part):
    """One declared source of data. Nothing is evaluated or trained on from a path: the file becomes a version first.

    on_bad_rows
        ``refuse`` the file at its first bad row (a doubled id, NaN, invalid UTF-8, a missing field), or ``quarantine`` such rows and go on without
        them. An exam that quietly lost questions is another exam, so refusing is the default.
    """

    path: str = Field(min_length=1)
    kind: Literal["evaluation", "objectives"]
    licence: str
    consent: str
    purposes: tuple[str, ...]
    source: str = Field(min_length=1)
    contains_personal_data: bool = False
    on_bad_rows: Literal["refuse", "quarantine"] = "refuse"
    notes: str = ""

    def card(self) -> Card:
        """The dataset card that the version keeps."""
        return Card(
            licence=self.licence,
            consent=self.consent,
            purposes=self.purposes,
            source=self.source,
            contains_personal_data=self.contains_personal_data,
            notes=self.notes,
        )


class Evaluate(_Part):
    """The evaluation suite: which data, how often each item is asked."""

    data: str
    repeats: int = Field(default=1, ge=1, le=20)


class TechniqueShare(_Part):
    """A technique that is tried on a share of the objectives only."""

    name: str
    share: float = Field(gt=0, le=1)


class Attack(_Part):
    """The attack campaign.

    techniques
        Tried on every objective, or on a share of them drawn by ``seed``. None listed: all that ship.
    twin_techniques
        Ways the benign twins are put, to measure over-refusal. None listed: the same as ``techniques``.
    """

    data: str
    techniques: tuple[str | TechniqueShare, ...] = ()
    twin_techniques: tuple[str | TechniqueShare, ...] = ()
    trials: int = Field(default=1, ge=1, le=20)
    seed: int = 7
    twins: bool = True


class JudgeModel(_Part):
    """A model that judges what the rules cannot. Its verdicts are judgements of a machine: a suggestion to people, and in no figure."""

    target: TargetConfig


class Judge(_Part):
    """Who judges outputs before people do."""

    rubric: str
    model: JudgeModel | None = None


class Review(_Part):
    """What people look at.

    audit_share
        Of what the machines passed, the share drawn at random: it measures what they miss.
    per_cluster
        Failures that evidence proves (a canary in the answer, a forbidden call) are alike within a cluster; people confirm this many of each, and all
        of the rest where they disagree with one. What no rule can tell goes to people one by one.
    overlap
        How many people answer each item.
    """

    per_cluster: int = Field(default=2, ge=1, le=100)
    audit_share: float = Field(default=0.05, ge=0.01, le=1.0)
    overlap: int = Field(default=1, ge=1, le=5)
    seed: int = 7


class Curate(_Part):
    """Turning reviewed failures into training data. ``twins_per_attack`` benign rows go with every attack row."""

    dataset: str
    licence: str
    consent: str
    purposes: tuple[str, ...] = ("training",)
    contains_personal_data: bool = False
    export_for: Literal["commercial", "research"] = "commercial"
    twins_per_attack: float = Field(default=1.0, ge=0.0, le=10.0)
    formats: tuple[Literal["chat-sft", "dpo", "kto"], ...] = ("chat-sft", "dpo", "kto")
    folder: str = "exports"


class PilotFile(_Part):
    """``pilot.yaml``, field by field."""

    pilot: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    title: str = Field(min_length=1)
    purpose: str = Field(min_length=1)
    owner: Owner
    risk: Risk
    target: TargetConfig
    data: dict[str, Source] = Field(min_length=1)
    evaluate: Evaluate
    attack: Attack
    judge: Judge
    review: Review = Review()
    curate: Curate
    gates: str
    sign_off: tuple[str, ...] = ("owner",)

    @field_validator("sign_off")
    @classmethod
    def _known_roles(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [role for role in roles if role not in ROLES]
        if unknown or not roles:
            raise ValueError(f"sign-off needs one or more of the roles {', '.join(ROLES)}")
        return roles


@dataclass(frozen=True)
class Pilot:
    """A pilot file with everything it names, read and checked.

    ``file`` is the pilot file's name in ``folder``; one folder may hold several, for other targets.
    ``digest`` covers the declaration and the content of every file it names except the data, whose versions have digests of their own.
    ``tried_digest`` is the same without how fast and at what cost the target is asked: raising a limit goes on with the cycle it stopped.
    """

    declaration: PilotFile
    folder: Path
    file: str
    digest: str
    tried_digest: str
    rubric: Rubric
    gates: tuple[Gate, ...]

    @property
    def name(self) -> str:
        return self.declaration.pilot

    def path(self, relative: str) -> Path:
        """A file the pilot names, seen from the pilot's folder."""
        return self.folder / relative

    def to_dict(self) -> dict[str, Any]:
        """The declaration with every default filled in."""
        return self.declaration.model_dump(mode="json")


def load_pilot(path: Path, *, target: dict[str, Any] | None = None) -> Pilot:
    """Read a pilot file and all it names.

    Parameters
    ----------
    path
        ``pilot.yaml``, or the folder it lies in.
    target
        Fields of the target to replace, as ``pilotage run --target`` does.

    Raises
    ------
    InputError, NotFound
        With file, line, field and a mend, at the first thing that does not fit.
    """
    path = path / "pilot.yaml" if path.is_dir() else path
    declared = read_declared(path)
    folder = path.parent.resolve()
    known = tuple(PilotFile.model_fields)
    declared.mapping(known=known)
    named: dict[str, str] = {}
    parsed = fit(declared, PilotFile, value=_filled_in(declared, folder, named, target))
    _check_references(declared, parsed, folder)
    for relative in (parsed.judge.rubric, parsed.gates):
        named[relative] = sha256_hex((folder / relative).read_bytes())
    rubric = _rubric(folder / parsed.judge.rubric)
    named["rubric"] = rubric.id  # its guideline may stand in a file of its own
    gates = _gates(folder / parsed.gates)
    plain = parsed.model_dump(mode="json")
    tried = {**plain, "target": {name: value for name, value in plain["target"].items() if name not in _HOW_IT_IS_ASKED}}
    return Pilot(
        parsed,
        folder,
        path.name,
        digest=digest({"declaration": plain, "files": named}),
        tried_digest=digest({"declaration": tried, "files": named}),
        rubric=rubric,
        gates=gates,
    )


def _filled_in(declared: Declared, folder: Path, named: dict[str, str], replace: dict[str, Any] | None) -> dict[str, Any]:
    """The declaration with the text of the files its target names: the system prompt, the template. What is tried is the text, not a path."""
    value: dict[str, Any] = declared.plain()
    target = value.get("target")
    if not isinstance(target, dict):
        return value
    target |= replace or {}
    system, template = target.get("system"), target.get("template")
    if isinstance(system, dict) and set(system) == {"file"}:
        target["system"] = _text_of(declared.at("target", "system", "file"), folder, named)
    if isinstance(template, dict) and "file" in template:
        rest = {name: part for name, part in template.items() if name != "file"}
        target["template"] = {**rest, "template": _text_of(declared.at("target", "template", "file"), folder, named)}
    return value


def _text_of(declared: Declared, folder: Path, named: dict[str, str]) -> str:
    relative = declared.text()
    data = _inside(declared, folder, relative).read_bytes()
    named[relative] = sha256_hex(data)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        declared.refuse(f"{relative} is not valid UTF-8 (byte {error.start}).", mend="save it as UTF-8")


def _inside(declared: Declared, folder: Path, relative: str) -> Path:
    path = (folder / relative).resolve()
    if not path.is_relative_to(folder):
        declared.refuse(f"'{relative}' lies outside the pilot's folder.", why="a pilot reads only its own files", mend="move it in")
    if not path.is_file():
        declared.refuse(f"The file '{relative}' does not exist.", mend=f"create it in {folder.name}/, or mend the path")
    return path


def _check_references(declared: Declared, parsed: PilotFile, folder: Path) -> None:
    for name, source in parsed.data.items():
        _inside(declared.at("data", name, "path"), folder, source.path)
    _inside(declared.at("judge", "rubric"), folder, parsed.judge.rubric)
    _inside(declared.at("gates"), folder, parsed.gates)
    for step, wanted, kind in (("evaluate", parsed.evaluate.data, "evaluation"), ("attack", parsed.attack.data, "objectives")):
        here = declared.at(step, "data")
        found = parsed.data.get(wanted)
        if found is None:
            here.refuse(f"No data is named '{wanted}'.", mend=f"use one of: {', '.join(sorted(parsed.data))}")
        elif found.kind != kind:
            here.refuse(f"'{wanted}' is of kind '{found.kind}'; this step needs '{kind}'.", mend="name other data")
    for name in ("techniques", "twin_techniques"):
        _check_techniques(declared, name, getattr(parsed.attack, name))
    if not (folder / parsed.curate.folder).resolve().is_relative_to(folder):
        here = declared.at("curate", "folder")
        here.refuse(f"'{parsed.curate.folder}' lies outside the pilot's folder.", why="a pilot writes only there", mend="name a folder inside it")
    _check_leave(declared, parsed.target)


def _check_techniques(declared: Declared, field: str, techniques: Sequence[str | TechniqueShare]) -> None:
    seen: set[str] = set()
    for position, each in enumerate(techniques):
        name = each if isinstance(each, str) else each.name
        here = declared.at("attack", field, position)
        if name not in TECHNIQUES:
            here.refuse(f"There is no technique '{name}'.", mend=f"use one of: {', '.join(TECHNIQUES)}")
        if name in seen:
            here.refuse(f"The technique '{name}' is listed twice.", mend="keep one")
        seen.add(name)


def _check_leave(declared: Declared, target: TargetConfig) -> None:
    """Whether the target may be tried at all, said with the line it is declared on."""
    try:
        check_target(target)
    except PilotageError as error:
        field = str(error.where).rpartition(": ")[2]
        raise type(error)(error.what, where=declared.at("target", field).where, why=error.why, mend=error.mend) from error


def _rubric(path: Path) -> Rubric:
    """The rubric, which must ask what the steps need to know: whether it failed, and what should have been said."""
    rubric = load_rubric_file(path)
    questions = read_declared(path).at("questions")
    asked = {question.name: question for question in rubric.questions}
    failure, correction = asked.get("failure"), asked.get("correction")
    values = {option.value for option in failure.options} if failure is not None else set()
    if not {"yes", "no", "unclear"} <= values:
        questions.refuse(
            "The rubric must ask 'failure', a choice with the options yes, no and unclear.",
            why="rules and people answer that question of every output",
            mend="see the rubric of examples/support-assistant",
        )
    if correction is None or correction.kind != "text":
        questions.refuse(
            "The rubric must ask 'correction', a text.",
            why="what should have been said is what a model is taught",
            mend="add: {name: correction, prompt: What should it have said?, kind: text}",
        )
    for position, question in enumerate(rubric.questions):
        if question.required_role is not None and question.required_role not in ROLES:
            questions.at(position, "required_role").refuse(
                f"There is no role '{question.required_role}'.", why="nobody could answer", mend=f"use one of: {', '.join(ROLES)}"
            )
    return rubric


def _gates(path: Path) -> tuple[Gate, ...]:
    gates = load_gates_file(path)
    declared = read_declared(path)
    for position, gate in enumerate(gates):
        if gate.owner_role not in ROLES:
            declared.at("gates", position, "owner").refuse(
                f"There is no role '{gate.owner_role}'.", why="nobody would answer for the gate", mend=f"use one of: {', '.join(ROLES)}"
            )
    return gates
