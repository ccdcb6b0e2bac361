"""The leak guard: nothing that is measured may be trained on, not even nearly, not even encoded.

Texts are compared as sets of character 4-grams of their normal form, in every reading of the text (base64, ROT13, reversed, zero-width characters
…). A Jaccard similarity of .8 or more, or .9 of a held-back prompt's 4-grams inside a longer text, is a leak.

Reference: Broder (1997) "On the resemblance and containment of documents".
"""

from __future__ import annotations

from collections.abc import Iterable

from pilotage.judging.decode import leet_undone, readings, squeezed

NEAR = 0.8
INSIDE = 0.9
_GRAM = 4


class LeakGuard:
    """Knows what is held back. Cost of a look-up: readings of the text × held-back prompts, set operations on a few hundred 4-grams each."""

    def __init__(self, held_back: Iterable[str]) -> None:
        self._grams = [grams for grams in (_grams(squeezed(text)) for text in dict.fromkeys(held_back)) if grams]
        self._leet = [grams for grams in (_grams(squeezed(leet_undone(text))) for text in dict.fromkeys(held_back)) if grams]

    def finds(self, *texts: str) -> bool:
        """Whether any of ``texts`` is, or holds, something nearly identical to a held-back prompt."""
        for text in texts:
            for reading in readings(text):
                # Line by line as well: one line of a long message may be the whole payload.
                for part in {reading.text, *reading.text.splitlines()}:
                    if _near(_grams(squeezed(part)), self._grams) or _near(_grams(squeezed(leet_undone(part))), self._leet):
                        return True
        return False


def similarity(first: str, second: str) -> float:
    """The Jaccard similarity of two texts' character 4-grams, 0 to 1; 1 for two texts without any."""
    one, other = _grams(squeezed(first)), _grams(squeezed(second))
    return len(one & other) / len(one | other) if one or other else 1.0


def _near(grams: frozenset[str], held_back: Iterable[frozenset[str]]) -> bool:
    if not grams:
        return False
    for wanted in held_back:
        shared = len(grams & wanted)
        if shared >= INSIDE * len(wanted) or shared >= NEAR * len(grams | wanted):
            return True
    return False


def _grams(text: str) -> frozenset[str]:
    return frozenset(text[start : start + _GRAM] for start in range(max(1, len(text) - _GRAM + 1))) if text else frozenset()
