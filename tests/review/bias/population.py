"""A made-up population of reviewers whose trust in the machine is known, so that figures can be held to the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pilotage.review.bias import AidedAnswer

VALUES = ("a", "b", "c")


@dataclass(frozen=True)
class Population:
    """Each person follows what is shown without looking with a probability of their own (Beta(mean·spread, …)); else they answer by themselves, right
    with ``skill`` and otherwise with one of the wrong values.
    """

    people: int = 20
    trust: float = 0.4
    spread: float = 8.0
    skill: float = 0.85
    machine: float = 0.75
    answers: int = 200
    arms: tuple[tuple[str, float], ...] = (("suggestion_shown", 0.6), ("withheld", 0.15), ("seeded", 0.1), ("answer_first", 0.15))

    @property
    def miss_rate(self) -> float:
        """Of the average person: follows, or errs on their own to just that value."""
        return self.trust + (1 - self.trust) * (1 - self.skill) / (len(VALUES) - 1)

    @property
    def excess(self) -> float:
        """How much more often a wrong value is given where it is shown."""
        return self.miss_rate - (1 - self.skill) / (len(VALUES) - 1)

    @property
    def turned_down(self) -> float:
        """How often a right suggestion is turned down."""
        return (1 - self.trust) * (1 - self.skill)

    def draw(self, seed: int, *, tag: str = "") -> list[AidedAnswer]:
        rng = np.random.default_rng(seed)
        names, shares = zip(*self.arms, strict=True)
        found: list[AidedAnswer] = []
        for person in range(self.people):
            trust = rng.beta(self.trust * self.spread, (1 - self.trust) * self.spread)
            arms = rng.choice(len(names), size=self.answers, p=shares)
            for number in range(self.answers):
                truth = VALUES[rng.integers(3)]
                others = [value for value in VALUES if value != truth]
                suggestion = truth if rng.random() < self.machine else others[rng.integers(2)]
                planted = others[rng.integers(2)]
                own = truth if rng.random() < self.skill else others[rng.integers(2)]
                follows = bool(rng.random() < trust)
                arm = names[arms[number]]
                shown = {"withheld": None, "seeded": planted}.get(arm, suggestion)
                looked = 1.0 if follows or shown is None else 1.5 if shown != truth else 1.2
                found.append(
                    AidedAnswer(
                        person=f"p{person:02d}{tag}",
                        item=f"i{person}-{number}",
                        arm=arm,
                        answer=shown if follows and shown is not None else own,
                        suggestion=suggestion,
                        planted=planted if arm == "seeded" else None,
                        truth=truth,
                        first=own if arm == "answer_first" else None,
                        slice="x" if number % 2 else "y",
                        hour=1 + number // 50,
                        active_ms=int(1000 + 3000 * looked * rng.lognormal(0, 0.3)),
                        at=number * 1_000_000,
                    )
                )
        return found
