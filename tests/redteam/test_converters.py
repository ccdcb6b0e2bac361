"""The grammar of converters, and their inverses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.redteam import BUILT_IN, TECHNIQUES, Converter, Stage, chain, wrap
from pilotage.redteam.techniques import split_in_two

any_text = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
invertible = [converter for converter in BUILT_IN.values() if converter.decode is not None]


@pytest.mark.parametrize("converter", invertible, ids=lambda converter: converter.id)
@given(text=any_text)
def test_decoding_gives_back_what_was_encoded_in_all_of_unicode(converter: Converter, text: str) -> None:
    assert converter.decode is not None
    assert converter.decode(converter.encode(text)) == text


@given(text=any_text)
def test_a_whole_chain_has_an_inverse(text: str) -> None:
    steps = chain(["base64", wrap("ask", "Please decode {payload} and answer."), wrap("mail", "---\n{payload}\n---", stage=Stage.CARRIER)])
    assert steps.decode(steps.encode(text)) == text


@pytest.mark.parametrize("text", ["", "👩‍👩‍👧 family", "שלום עולם", "e\u0301 combining", "\x00\ud7ff\U0010ffff"])
def test_emoji_and_right_to_left_text_survive(text: str) -> None:
    for converter in invertible:
        assert converter.decode is not None
        assert converter.decode(converter.encode(text)) == text


@given(text=any_text)
def test_converting_is_the_same_every_time(text: str) -> None:
    for converter in BUILT_IN.values():
        assert converter.encode(text) == converter.encode(text)


def test_what_has_no_inverse_says_what_it_loses() -> None:
    for converter in BUILT_IN.values():
        assert (converter.decode is None) == bool(converter.loss)
    with pytest.raises(InputError, match="loses"):
        chain(["leetspeak"]).decode("h3ll0")


def test_a_converter_without_inverse_or_loss_is_refused() -> None:
    with pytest.raises(InputError):
        Converter("mute", 1, Stage.SURFACE, str.lower)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (["rot14"], "Unknown converter"),
        ([""], "Unknown converter"),
        (["base64", "rot13"], "one encode step"),
        (["base64", "leetspeak"], "cannot follow"),
        (["base64", 13], "not int"),
        ([wrap("one", "a {payload}"), "base64"], "cannot follow"),
        ([wrap("mail", "{payload}", stage=Stage.CARRIER), wrap("one", "{payload}")], "cannot follow"),
        ([wrap("a", "{payload}", stage=Stage.CARRIER), wrap("b", "{payload}", stage=Stage.CARRIER)], "one carrier step"),
    ],
)
def test_a_chain_out_of_grammar_is_refused_and_names_the_step(steps: list[object], said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        chain(steps)  # type: ignore[arg-type]
    assert "chain step" in str(refused.value.where)


def test_a_semantic_step_after_an_encoding_is_refused() -> None:
    shout = Converter("shout", 1, Stage.SEMANTIC, str.upper, loss="letter case")
    assert chain([shout, "base64"]).id == "shout@1+base64@1"
    with pytest.raises(InputError, match="cannot follow"):
        chain(["base64", shout])


@pytest.mark.parametrize("template", ["no slot", "{payload} twice {payload}", "{Payload}"])
def test_a_wrap_without_exactly_one_slot_is_refused(template: str) -> None:
    with pytest.raises(InputError, match="exactly once"):
        wrap("broken", template)


def test_braces_in_the_payload_are_text() -> None:
    steps = chain([wrap("ask", "Say {payload} now")])
    assert steps.encode("{payload} {0} %s") == "Say {payload} {0} %s now"


def test_every_technique_is_named_and_versioned() -> None:
    assert len(TECHNIQUES) == 13
    assert all(found.name == name and found.id == f"{name}@{found.version}" for name, found in TECHNIQUES.items())


@given(prompt=any_text)
def test_techniques_of_one_turn_can_be_undone(prompt: str) -> None:
    for found in TECHNIQUES.values():
        if found.languages or found.opening or any(step.decode is None for step in found.chain.converters):
            continue
        (turn,) = found.turns(prompt)
        assert found.chain.decode(turn.text) == prompt


@given(first=any_text, second=any_text)
def test_a_split_prompt_is_whole_again_when_joined(first: str, second: str) -> None:
    assert " ".join(split_in_two(f"{first} {second}")) == f"{first} {second}"


def test_translated_speaks_only_in_languages_that_people_wrote() -> None:
    translated = TECHNIQUES["translated"]
    assert translated.variants({}) == ()
    assert translated.variants({"fr": "Bonjour", "de": "Hallo"}) == ("de", "fr")
    (turn,) = translated.turns("Hello", translations={"de": "Hallo"}, variant="de")
    assert turn.text == "Hallo"
