"""The leak guard: nothing that is measured may be trained on, not even nearly, not even encoded.

Texts are compared as sets of character 4-grams of their normal form, in every reading of the text (base64, ROT13, reversed, zero-width characters
…). A Jaccard similarity of .8 or more, or .9 of a held-back prompt's 4-grams inside a longer text, is a leak.

Reference: Broder (1997) "On the resemblance and containment of documents".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pilotage.judging.decode import leet_undone, readings, squeezed

NEAR = 0.8
INSIDE = 0.9
_GRAM = 4


class LeakGuard:
    """Knows what is held back. Cost of a look-up: the readings of the text, times its 4-grams, times the held-back prompts that share one."""

    def __init__(self, held_back: Iterable[str]) -> None:
        texts = list(dict.fromkeys(held_back))
        self._plain = _Index(squeezed(text) for text in texts)
        self._leet = _Index(squeezed(leet_undone(text)) for text in texts)

    def finds(self, *texts: str) -> bool:
        """Whether any of ``texts`` is, or holds, something nearly identical to a held-back prompt."""
        for text in texts:
            for reading in readings(text):
                # Line by line as well: one line of a long message may be the whole payload.
                for part in {reading.text, *reading.text.splitlines()}:
                    if self._plain.near(squeezed(part)) or self._leet.near(squeezed(leet_undone(part))):
                        return True
        return False


def similarity(first: str, second: str) -> float:
    """The Jaccard similarity of two texts' character 4-grams, 0 to 1; 1 for two texts without any."""
    one, other = _grams(squeezed(first)), _grams(squeezed(second))
    return len(one & other) / len(one | other) if one or other else 1.0


class _Index:
    """Which texts hold which 4-gram."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._sizes: list[int] = []
        self._holders: dict[str, list[int]] = {}
        for number, grams in enumerate(grams for grams in map(_grams, texts) if grams):
            self._sizes.append(len(grams))
            for gram in grams:
                self._holders.setdefault(gram, []).append(number)

    def near(self, text: str) -> bool:
        grams = _grams(text)
        shared: Counter[int] = Counter()
        for gram in grams:
            shared.update(self._holders.get(gram, ()))
        return any(
            both >= INSIDE * self._sizes[number] or both >= NEAR * (len(grams) + self._sizes[number] - both) for number, both in shared.items()
        )


def _grams(text: str) -> frozenset[str]:
    return frozenset(text[start : start + _GRAM] for start in range(max(1, len(text) - _GRAM + 1))) if text else frozenset()
