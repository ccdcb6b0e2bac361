"""A project as it is typed: the fields say the same as the YAML, and what does not fit is told beside its field."""

from __future__ import annotations

from typing import Any

import pytest
from browserless import Client, sign_in
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st
from leading import sign_in_as
from review_workspace import HOSTILE, PROJECT

from pilotage.judging import Option, Question, Rubric
from pilotage.judging.question import KINDS
from pilotage.review.projects import (
    RESERVED,
    Arms,
    Caps,
    Countermeasures,
    Gold,
    Overlap,
    ProjectSettings,
    Qualification,
    Rotation,
    Round,
    Sla,
    change_project,
    create_project,
    load_project,
    parse_project,
    write_project,
)
from pilotage.server.pages.project_fields import FIELDS, KIND_WORDS, SECTIONS
from pilotage.server.pages.project_form import Draft, act, draft_of, new_draft, read_form, settle
from pilotage.store import Workspace

HERE = f"/review/projects/{PROJECT}/settings"
RUBRIC = Rubric(
    "everything",
    (
        Question("one", "Which?", "choice", options=(Option("a", "A", "1"), Option("b", "", "")), policy="adjudicate", scale="ordinal"),
        Question("many", "Which of them?", "choices", options=(Option("a"), Option("b"), Option("c")), at_least=0, at_most=2),
        Question("rate", "How good?", "rating", minimum=0, maximum=10.5, scale="interval", policy="soft"),
        Question("sure", "Sure?", "bool", required=False),
        Question("why", "Why?", "text", required=True, required_role="owner"),
        Question("marks", "Mark it", "spans", options=(Option("x", "X", "x"),), of="messages.-1.content", overlapping=True, at_least=1),
        Question("pair", "Which is better?", "pair", ties=False, strength=3),
        Question("order", "Put in order", "ranking", ties=False),
        Question("right", "Put it right", "edit", of="draft"),
    ),
    guideline="Of the rubric.\n",
)
SETTINGS = ProjectSettings(
    name="all of it",
    title="Všechno 'and' \"more\": # yes",
    overlap=Overlap(start=2, most=4, until=0.95, question="one", assumed_accuracy=0.7),
    arms=Arms(withheld=0.2, seeded=0.05, answer_first=0.1),
    countermeasures=Countermeasures(evidence_first=True, reason_on_accept=("risk=high", "*")),
    gold=Gold(share=0.1, exposure_cap=5, feedback=True, floor=0.7),
    qualification=Qualification(skill="german", valid_for="90d", judged_by="lower"),
    calibration_round=Round(items=12),
    skills={"language=de": "german", "*": "english"},
    caps=Caps(per_day=100, at_once=4, break_after=50, break_for="5m"),
    rotation=Rotation(by="author", most=0.3),
    sla=Sla(due="36h", escalate_to="owner", raise_priority=7),
    lease="15m",
    adjudicator="owner",
    agreement_floor=0.4,
    consent="Some suggestions\nare wrong on purpose.",
)


def typed(draft: Draft) -> list[tuple[str, str]]:
    """The form a browser would send of the draft."""
    form = [("number", str(draft.number)), ("mode", draft.mode), ("shown", str(draft.shown)), ("rubric", draft.rubric)]
    form += [("rubric_guideline", draft.rubric_guideline), ("guideline", draft.guideline)]
    form += [("part", part) for part in sorted(draft.parts)]
    form += [(name, value) for name, value in draft.values.items() if not (name in FIELDS and FIELDS[name].kind == "yes_no" and value != "yes")]
    for number, question in enumerate(draft.questions):
        asked = {field.name: field for field in question.fields}
        plain = ("name", "prompt", "kind", "policy", "required_role", "required")
        for name, value in question.values.items():
            if name in plain or (name in asked and not (asked[name].kind == "yes_no" and value != "yes")):
                form.append((f"questions.{number}.{name}", value))
        form.append((f"questions.{number}.was", question.kind))
        for place, option in enumerate(question.options):
            form += [(f"questions.{number}.options.{place}.{name}", value) for name, value in option.items()]
    return [(name, value.replace("\n", "\r\n")) for name, value in form]


@pytest.mark.parametrize("settings", [SETTINGS, ProjectSettings(name="plain"), ProjectSettings(name="parts", sla=Sla(), calibration_round=Round())])
def test_fields_and_yaml_say_the_same_both_ways(settings: ProjectSettings) -> None:
    guideline = "# What it is\n\n- yes: no\n"
    read = parse_project(write_project(settings, RUBRIC, guideline))
    assert (read.settings, read.rubric, read.guideline) == (settings, RUBRIC, guideline)
    draft = read_form(typed(draft_of(settings, RUBRIC, guideline, number=3)))
    meant = settle(draft)
    assert meant is not None, (draft.errors, draft.general)
    assert (meant.settings, meant.rubric, meant.guideline, draft.number) == (settings, RUBRIC, guideline, 3)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=30).filter(str.strip)


@trying(max_examples=40, deadline=None)
@given(name=TEXT, label=TEXT, key=st.text("abc123", max_size=1), consent=TEXT, guideline=TEXT)
def test_whatever_is_written_comes_back_from_yaml(name: str, label: str, key: str, consent: str, guideline: str) -> None:
    rubric = Rubric(name, (Question(name, label, "choice", options=(Option(name, label, key), Option(name + "2"))),))
    settings = ProjectSettings(name="p", consent=consent)
    read = parse_project(write_project(settings, rubric, guideline))
    assert (read.settings, read.rubric, read.guideline) == (settings, rubric, guideline)


def test_every_setting_has_a_field_and_every_kind_of_question_its_words() -> None:
    declared = set()
    for name, field in ProjectSettings.model_fields.items():
        inside = [each for each in (field.annotation, *getattr(field.annotation, "__args__", ())) if hasattr(each, "model_fields")]
        declared |= {f"{name}.{part}" for part in inside[0].model_fields} if inside else {name}
    assert declared - {"name", "title"} == set(FIELDS)
    assert set(KIND_WORDS) == set(KINDS)
    assert len({section.name for section in SECTIONS}) == len(SECTIONS)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("overlap.start", "many", "whole number"),
        ("overlap.until", "0.9", "'most' allows none"),
        ("overlap.most", "0", "greater than or equal to 1"),
        ("arms.withheld", "0.7", ""),
        ("arms.seeded", "1.5", "less than or equal to 1"),
        ("lease", "ten minutes", "Not a duration"),
        ("skills", "german", "no slice with its skill"),
        ("skills", "german: x", "names no slice"),
        ("countermeasures.reason_on_accept", "high", "names no slice"),
        ("agreement_floor", "nan", "finite"),
        ("name", "a/b", "pattern"),
        ("name", "", "needs a value"),
        ("guideline", " ", "no guideline"),
    ],
)
def test_what_does_not_fit_is_told_beside_its_field(field: str, value: str, says: str) -> None:
    draft = new_draft()
    draft.values |= {"name": "p"}
    draft.guideline = "Be kind."
    draft.questions[0].values["prompt"] = "Is it?"
    assert settle(draft) is not None, (draft.errors, draft.general)
    form = [(name, given) for name, given in typed(draft) if name != field]
    changed = read_form([*form, (field, value)])
    if field == "arms.withheld":
        assert settle(changed) is not None
        return
    assert settle(changed) is None
    place = field if field != "overlap.until" else "overlap.start"
    assert says in changed.errors[place]["what"], changed.errors


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"name": ""}, "name", "needs a name"),
        ({"prompt": " "}, "prompt", "needs words"),
        ({"kind": "rating", "minimum": "5", "maximum": "1"}, "minimum", "below its maximum"),
        ({"kind": "choices", "at_least": "9"}, "at_least", "only 2 options"),
        ({"kind": "pair", "strength": "1"}, "strength", "cannot be told apart"),
    ],
)
def test_a_question_that_cannot_be_asked_is_told_beside_it(change: dict[str, str], field: str, says: str) -> None:
    draft = new_draft()
    draft.values["name"], draft.guideline = "p", "Be kind."
    draft.questions[0].values |= {"prompt": "Is it?", **change}
    assert settle(draft) is None
    told = draft.errors.get(f"questions.0.{field}") or next(iter(draft.errors.values()))
    assert says in told["what"], draft.errors


def test_two_options_of_one_key_and_two_questions_of_one_name_are_told() -> None:
    draft = new_draft()
    draft.values["name"], draft.guideline = "p", "Be kind."
    draft.questions[0].values["prompt"] = "Is it?"
    draft.questions[0].options[1]["key"] = "y"
    assert settle(draft) is None and "same key" in draft.errors["questions.0.options"]["what"]
    draft.questions[0].options[1]["key"] = ""
    act(draft, "add:bool")
    draft.questions[1].values |= {"name": "answer", "prompt": "Sure?"}
    assert settle(draft) is None and "Another question" in draft.errors["questions.1.name"]["what"]


def test_questions_are_added_moved_and_removed() -> None:
    draft = new_draft()
    for kind in KINDS:
        act(draft, f"add:{kind}")
    assert [question.kind for question in draft.questions[1:]] == list(KINDS) and draft.shown == len(KINDS)
    act(draft, "up:2")
    assert [question.kind for question in draft.questions[1:3]] == ["choices", "choice"] and draft.shown == 1
    act(draft, "down:1")
    act(draft, "remove:0")
    assert [question.kind for question in draft.questions] == list(KINDS)
    act(draft, "option:0")
    assert len(draft.questions[0].options) == 3
    act(draft, "drop:0.2")
    assert len(draft.questions[0].options) == 2
    before = [question.kind for question in draft.questions]
    for nonsense in ("remove:99", "up:0", "down:8", "drop:0.9", "option:x", "show:-1", "nothing", "drop:0", "up:99999999999999999999"):
        act(draft, nonsense)
    assert [question.kind for question in draft.questions] == before


@trying(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*FIELDS, "number", "part", "questions.0.kind", "questions.7.options.3.value", "x", "questions.0.was"]),
            st.text(max_size=20),
        )
    )
)
def test_no_form_breaks_reading_it(form: list[tuple[str, str]]) -> None:
    draft = read_form(form)
    settle(draft)
    act(draft, "show:0")


# On the page


def fill(**more: str) -> dict[str, str]:
    draft = new_draft()
    draft.values["name"], draft.guideline = "letters", "Be kind."
    draft.questions[0].values["prompt"] = "Is it kind?"
    return {**dict(typed(draft)), "do": "save", **more}


def test_a_project_is_made_without_writing_a_file(newcomer: Client, empty: Workspace) -> None:
    assert "New project" in newcomer.get("/review/projects/new").text
    assert newcomer.post("/review/projects/new", fill()).headers["location"] == "/review/projects/letters"
    made = load_project(empty, "letters")
    assert made.rubric.questions[0].prompt == "Is it kind?" and made.settings.gold.share == 0.05
    again = newcomer.post("/review/projects/new", fill())
    assert again.status == 409 and "There is a project" in again.text and "Be kind." in again.text, "nothing typed is lost"


def test_a_name_that_the_workbench_needs_is_refused_beside_its_field(newcomer: Client) -> None:
    for name in (*RESERVED, "Audit"):
        told = newcomer.post("/review/projects/new", fill(name=name))
        assert told.status == 422 and 'id="name-error"' in told.text and "cannot be called" in told.text, name


def test_what_does_not_fit_keeps_everything_that_was_typed(newcomer: Client) -> None:
    told = newcomer.post(
        "/review/projects/new", fill(**{"overlap.start": "many", "title": HOSTILE, "questions.0.prompt": HOSTILE, "guideline": HOSTILE})
    )
    assert told.status == 422 and 'id="overlap-start-error"' in told.text and 'value="many"' in told.text
    assert 'aria-describedby="overlap-start-hint overlap-start-error"' in told.text
    assert HOSTILE not in told.text and told.text.count("&lt;script&gt;evil()") >= 4


def test_a_kind_is_changed_without_script_and_shown_as_people_see_it(newcomer: Client) -> None:
    shown = newcomer.post("/review/projects/new", fill(**{"questions.0.kind": "rating", "do": "show:0"}))
    assert shown.status == 200 and 'name="questions.0.minimum" value="1"' in shown.text and "options.0.value" not in shown.text
    assert "As people see it" in shown.text and shown.text.count('class="wb-option"') == 5
    for kind in KINDS:
        preview = newcomer.post("/review/projects/new", fill(do=f"add:{kind}"))
        assert preview.status == 200 and 'id="question-1"' in preview.text
        assert "A question needs words." in preview.text, "what is missing is told in the preview"


def test_every_kind_of_question_has_a_preview(newcomer: Client) -> None:
    for kind in KINDS:
        shown = newcomer.post("/review/projects/preview", fill(**{"questions.0.kind": kind, "shown": "0"}))
        assert shown.status == 200 and "Is it kind?" in shown.text and "<html" not in shown.text
        assert KIND_WORDS[kind].lower() in shown.text.lower()


def test_the_form_turns_into_yaml_and_back(newcomer: Client, empty: Workspace) -> None:
    as_yaml = newcomer.post("/review/projects/new", fill(do="yaml"))
    assert as_yaml.status == 200 and 'name="yaml"' in as_yaml.text and "name: letters" in as_yaml.text
    text = "name: letters\nrubric:\n  name: l\n  questions:\n    - {name: k, prompt: Kind, kind: bool}\nguideline: Be kind.\nlease: 20m\n"
    fields = newcomer.post("/review/projects/new", {"mode": "yaml", "yaml": text, "do": "form"})
    assert 'name="lease" value="20m"' in fields.text
    wrong = newcomer.post("/review/projects/new", {"mode": "yaml", "yaml": text.replace("lease", "leese"), "do": "save"})
    assert wrong.status == 422 and "project.yaml:7" in wrong.text and "Unknown field" in wrong.text and "leese: 20m" in wrong.text
    for hostile in (
        "rubric: /etc/passwd\nname: x\n",
        "name: x\nguideline_file: /etc/passwd\nrubric: {name: r, questions: []}\n",
        "&a [*a]",
        "",
        "[" * 5000,
    ):
        told = newcomer.post("/review/projects/new", {"mode": "yaml", "yaml": hostile, "do": "save"})
        assert told.status == 422 and "root:" not in told.text
    inside = "name: x\nrubric: {name: r, guideline_file: /etc/passwd, questions: [{name: k, prompt: K, kind: bool}]}\n"
    assert "No file can be named here" in newcomer.post("/review/projects/new", {"mode": "yaml", "yaml": inside, "do": "save"}).text
    assert newcomer.post("/review/projects/new", {"mode": "yaml", "yaml": text, "do": "save"}).status == 303
    assert load_project(empty, "letters").settings.lease == "20m"


def edited(workspace: Workspace, **more: str) -> dict[str, str]:
    project = load_project(workspace, PROJECT)
    form = dict(typed(draft_of(project.settings, project.rubric, project.guideline.text, number=project.number)))
    form["part"] = "sla"
    return {**form, "do": "save", **more}


def test_saving_makes_a_version_and_nothing_else_changes(leading: Workspace) -> None:
    client = sign_in_as(leading, "lena")
    before = load_project(leading, PROJECT)
    assert client.post(HERE, edited(leading)).status == 303
    assert load_project(leading, PROJECT).number == before.number, "the same again is no version"
    assert client.post(HERE, edited(leading, **{"overlap.most": "4"})).status == 303
    after = load_project(leading, PROJECT)
    assert (after.number, after.settings.overlap.most, after.rubric.id) == (before.number + 1, 4, before.rubric.id)
    assert "overlap.most" in client.get(f"/review/projects/{PROJECT}/versions").text


def test_of_two_changes_the_second_is_shown_the_first_and_may_have_both(leading: Workspace) -> None:
    client = sign_in_as(leading, "lena")
    mine = edited(leading, **{"overlap.most": "4", "gold.share": "0.2"})
    theirs = load_project(leading, PROJECT)
    other = theirs.settings.model_copy(update={"lease": "30m", "gold": theirs.settings.gold.model_copy(update={"share": 0.3})})
    change_project(leading.acting_as("olga"), PROJECT, number=2, settings=other)
    told = client.post(HERE, mine)
    assert told.status == 409 and "olga made version 3" in told.text and "Somebody changed it" in told.text
    assert (
        "<code>lease</code>" in told.text and "<code>overlap.most</code>" in told.text and "Both of you changed <code>gold.share</code>" in told.text
    )
    assert load_project(leading, PROJECT).settings.overlap.most == 3, "nothing is saved yet"
    merged = told.text.partition('<textarea name="yaml" hidden>')[2].partition("</textarea>")[0]
    from html import unescape

    assert client.post(HERE, {"mode": "yaml", "yaml": unescape(merged), "number": "3", "do": "save"}).status == 303
    now = load_project(leading, PROJECT).settings
    assert (now.lease, now.overlap.most, now.gold.share) == ("30m", 4, 0.2)
    assert client.post(HERE, {**mine, "number": "77"}).status == 403


def test_only_who_leads_opens_the_settings(led: Workspace) -> None:
    for login, status in (("lena", 200), ("olga", 200), ("ben", 403), ("aldo", 403)):
        client = sign_in_as(led, login)
        assert client.get(HERE).status == status
        assert client.get("/review/projects/new").status == status


def test_a_form_without_end_is_refused(newcomer: Client) -> None:
    many: dict[str, Any] = {f"questions.{number}.name": "x" for number in range(6000)}
    assert newcomer.post("/review/projects/new", {**many, "do": "save"}).status in (400, 422)


def test_a_rubric_is_only_changed_where_it_was(empty: Workspace) -> None:
    create_project(empty, SETTINGS, rubric=RUBRIC, guideline="Be kind.\n")
    client = sign_in(empty)
    page = client.get("/review/projects/all%20of%20it/settings")
    assert page.status == 200 and "Of the rubric." in page.text
    project = load_project(empty, "all of it")
    draft = draft_of(project.settings, project.rubric, project.guideline.text, number=1)
    form = [*typed(draft), ("do", "save"), ("csrf_token", client.csrf_token())]
    from urllib.parse import urlencode

    sent = client.send(
        "POST",
        "/review/projects/all%20of%20it/settings",
        body=urlencode(form).encode(),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert sent.status == 303 and load_project(empty, "all of it") == project
