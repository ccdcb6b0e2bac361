"""A run can be priced before anything is asked."""

import pytest

from pilotage.core import InputError
from pilotage.readiness import estimate


def test_the_estimate_counts_what_the_run_then_asks(small):
    said = estimate(small.pilot)
    status = small.advance()
    asked = sum(status.steps["evaluate"].counts.values()) + sum(status.steps["attack"].counts.values())
    assert sum(part.samples for part in said.parts) == asked
    assert said.requests == asked  # no technique of this pilot takes several turns


def test_turns_of_a_conversation_are_requests_and_carry_what_was_said_before(small):
    small.change("techniques: [direct, base64]", "techniques: [direct, crescendo]")
    attack = next(part for part in estimate(small.pilot).parts if part.name == "attack")
    assert attack.requests == 4 + 4 * 3
    assert attack.prompt_tokens > attack.samples


def test_money_follows_the_declared_prices(small):
    assert estimate(small.pilot).spend_minor == 0
    small.change("  seed: 7\n  limits:", "  prices: {input: 1000000, output: 2000000}\n  seed: 7\n  limits:")
    priced = estimate(small.pilot)
    assert priced.spend_minor == sum(part.prompt_tokens + 2 * part.completion_tokens for part in priced.parts)


def test_malformed_items_are_named_before_anything_is_asked(small):
    path = small.folder / "items.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + '{"id": "x"}\n', encoding="utf-8")
    with pytest.raises(InputError) as caught:
        estimate(small.pilot)
    assert "items.jsonl:4" in caught.value.where
