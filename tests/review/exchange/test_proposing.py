"""Proposing rubrics from other tools' configurations, which are read without what XML can do to a reader."""

from __future__ import annotations

import pytest

from pilotage.core import InputError
from pilotage.review.exchange import propose_rubric, rubric_from_argilla, rubric_from_config

CONFIG = """<View>
  <Header value="Look &amp; say"/>
  <Text name="text" value="$text"/> <Text name="l" value="$left"/> <Text name="r" value="$right"/> <Image name="img" value="$image"/>
  <Choices name="sentiment" toName="text" choice="single" required="true"><Choice value="pos" hotkey="1"/><Choice value="neg" alias="n"/></Choices>
  <Choices name="topics" toName="text" choice="multiple"><Choice value="a"/><Choice value="b"/></Choices>
  <Labels name="names" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>
  <Rating name="stars" toName="text" maxRating="7"/>
  <TextArea name="why" toName="text" placeholder="Why?"/>
  <Pairwise name="better" toName="l,r"/>
  <RectangleLabels name="boxes" toName="img"><Label value="car"/></RectangleLabels>
  <Choices name="each" toName="text" perRegion="true"><Choice value="x"/><Choice value="y"/></Choices>
</View>"""


def test_questions_are_made_of_controls_and_the_rest_is_named() -> None:
    found = rubric_from_config(CONFIG, name="r", guideline="g")
    kinds = {question.name: question.kind for question in found.rubric.questions}
    assert kinds == {"sentiment": "choice", "topics": "choices", "names": "spans", "stars": "rating", "why": "text", "better": "pair"}
    sentiment = found.rubric.question("sentiment")
    assert ([option.value for option in sentiment.options], sentiment.options[0].key, sentiment.required) == (["pos", "n"], "1", True)
    assert found.rubric.question("stars").maximum == 7 and found.fields == {"a": "left", "b": "right"}
    assert [name for name, _ in found.left_out] == ["boxes", "each"] and found.unsure
    assert "text" in found.targets["sentiment"]


BOMBS = {
    "laughs": '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><View>&b;</View>',
    "outside": '<!DOCTYPE v [<!ENTITY x SYSTEM "file:///etc/passwd">]><View>&x;</View>',
    "doctype": '<!DOCTYPE v SYSTEM "http://127.0.0.1/x.dtd"><View/>',
    "parameter": '<!DOCTYPE v [<!ENTITY % p SYSTEM "http://127.0.0.1/">%p;]><View/>',
    "deep": "<a>" * 5000,
    "many": "<View>" + "<a/>" * 50_000 + "</View>",
    "long": "<View>" + " " * 2_000_000 + "</View>",
    "none": "no XML",
    "empty": "",
    "broken": "<View><a></View>",
    "undefined": "<View>&nbsp;</View>",
    "nothing": "<View><Text name='t' value='$t'/></View>",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_configuration_that_tries_more_than_one_is_for_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        rubric_from_config(text, name="r")


def test_argillas_settings_become_questions() -> None:
    questions = [
        {"name": "label", "title": "Which?", "required": True, "settings": {"type": "label_selection", "options": [{"value": "a"}, {"value": "b"}]}},
        {"name": "more", "settings": {"type": "multi_label_selection", "options": [{"value": "a"}, {"value": "b"}]}, "required": False},
        {"name": "stars", "settings": {"type": "rating", "options": [{"value": 1}, {"value": 2}, {"value": 3}]}},
        {"name": "spans", "settings": {"type": "span", "field": "prompt", "options": [{"value": "X"}], "allow_overlapping": True}},
        {"name": "why", "settings": {"type": "text"}},
        {"name": "odd", "settings": {"type": "table"}},
        {"name": "bad", "settings": {"type": "rating", "options": []}},
    ]
    found = rubric_from_argilla({"guidelines": "Read.", "questions": questions}, name="r")
    assert [question.kind for question in found.rubric.questions] == ["choice", "choices", "rating", "spans", "text"]
    assert (found.rubric.guideline, found.rubric.question("spans").of) == ("Read.", "prompt")
    assert [name for name, _ in found.left_out] == ["odd", "bad"]
    with pytest.raises(InputError):
        rubric_from_argilla({}, name="r")


def test_answers_become_questions_to_confirm() -> None:
    answers = [
        {"tone": ["rude"], "n": 3, "yes": True, "say": "one thing", "at": [{"start": 0, "end": 1, "label": "X"}]},
        {"tone": ["kind"], "n": 5, "yes": False, "say": "another thing", "at": [{"start": 0, "end": 1, "label": "Y"}]},
        {"odd": {"x": 1}},
    ]
    found = propose_rubric(answers, name="r")
    kinds = {question.name: question.kind for question in found.rubric.questions}
    assert kinds == {"tone": "choice", "n": "rating", "yes": "bool", "say": "choice", "at": "spans"}
    assert [name for name, _ in found.left_out] == ["odd"] and len(found.unsure) == len(found.rubric.questions)
