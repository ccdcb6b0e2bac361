"""Davidson's model with the marks of how a comparison was shown, as a multinomial logit: log-concave, so Newton's method finds the one best answer.

Log weight of "first": strength of the first + side · left + length · longer; of "second": strength of the second; of "no preference": half the sum of
both + a tie parameter. Bradley–Terry is the same without the third outcome. A normal prior on every strength (precision ``ridge``) keeps what was won
or lost outright finite, and fixes their mean at zero.

References: Bradley & Terry (1952); Davidson (1970) for ties; Davidson & Beaver (1977) for the order of presentation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pilotage.judging.preferences.pairs import Columns, Floats

# The marks' own prior: weak, and there only so that a side or a tie that always or never happens stays finite.
_MARK_RIDGE = 0.01
_STEPS = 50
_REST = 1e-9


@dataclass(frozen=True, eq=False)
class Model:
    """Which terms there are: comparisons as a sparse design, computed once for all fits.

    Parameters are the strengths of the items, then the tie, the side and the length term, those there are.
    """

    columns: Columns
    ties: bool
    side: bool
    length: bool
    ridge: float

    @property
    def size(self) -> int:
        """How many parameters."""
        return len(self.columns.items) + self.ties + self.side + self.length

    def marks(self) -> list[tuple[str, int]]:
        """The names and places of the terms that are not strengths."""
        at, found = len(self.columns.items), []
        for name, there in (("tie", self.ties), ("side", self.side), ("length", self.length)):
            if there:
                found.append((name, at))
                at += 1
        return found

    def shares(self, at: Floats) -> Floats:
        """Probability of first / no preference / second: comparisons × 3 (the middle one 0 without ties)."""
        c, place = self.columns, dict(self.marks())
        lean = np.zeros(c.n)
        if self.side:
            lean += at[place["side"]] * c.left
        if self.length:
            lean += at[place["length"]] * c.longer
        one, other = at[c.first] + lean, at[c.second]
        middle = (at[c.first] + at[c.second]) / 2 + lean / 2 + at[place["tie"]] if self.ties else np.full(c.n, -np.inf)
        # Outcomes as rows until the end: numpy adds up long rows many times faster than rows of three.
        log = np.stack((one, middle, other))
        weight = np.exp(log - log.max(axis=0))
        shares: Floats = (weight / weight.sum(axis=0)).T
        return shares

    def climb(self, outcome: Floats, start: Floats, *, steps: int = _STEPS) -> tuple[Floats, bool]:
        """The best parameters for ``outcome`` (comparisons × 3, perhaps weighted), by Newton with halved steps; and whether it came to rest."""
        at = start
        held = self.objective(at, outcome)
        for _ in range(steps):
            rise, bend = self.slope(at, outcome)
            move = np.linalg.solve(bend, rise)
            step = 1.0
            while True:
                ahead = at + step * move
                reached = self.objective(ahead, outcome)
                if reached >= held - 1e-12 * abs(held) or step < 1e-4:
                    break
                step /= 2
            at, gained, held = ahead, reached - held, reached
            if float(np.abs(step * move).max()) < _REST or abs(gained) < 1e-13 * (1 + abs(held)):
                return at, True
        return at, False

    def objective(self, at: Floats, outcome: Floats) -> float:
        """Log likelihood plus log prior."""
        shares = np.maximum(self.shares(at), 1e-300)
        return float((outcome.T * np.log(shares.T)).sum()) - 0.5 * float((self._ridges() * at**2).sum())

    def _ridges(self) -> Floats:
        ridges = np.full(self.size, _MARK_RIDGE)
        ridges[: len(self.columns.items)] = self.ridge
        return ridges

    def slope(self, at: Floats, outcome: Floats) -> tuple[Floats, Floats]:
        """Gradient, and the negative Hessian (positive definite).

        With d = 1 (first), ½ (no preference), 0 (second), everything but the tie term moves with the mean and the variance of d.
        """
        c, size, items = self.columns, self.size, len(self.columns.items)
        weight = outcome[:, 0] + outcome[:, 1] + outcome[:, 2]
        shares = self.shares(at)
        mean = shares[:, 0] + shares[:, 1] / 2
        more = outcome[:, 0] + outcome[:, 1] / 2 - weight * mean
        spread = weight * (shares[:, 0] + shares[:, 1] / 4 - mean**2)
        with_tie = weight * shares[:, 1] * (0.5 - mean)
        rise = -self._ridges() * at
        bend = np.diag(self._ridges())
        rise[:items] += np.bincount(c.first, more, items) - np.bincount(c.second, more, items)
        cross = np.bincount(c.first * items + c.second, spread, items * items).reshape(items, items)
        bend[:items, :items] -= cross + cross.T
        bend[np.arange(items), np.arange(items)] += np.bincount(c.first, spread, items) + np.bincount(c.second, spread, items)
        features = {"side": c.left.astype(float), "length": c.longer}
        marks = self.marks()
        for name, place in marks:
            if name == "tie":
                rise[place] += float((outcome[:, 1] - weight * shares[:, 1]).sum())
                bend[place, place] += float((weight * shares[:, 1] * (1 - shares[:, 1])).sum())
                across = np.bincount(c.first, with_tie, items) - np.bincount(c.second, with_tie, items)
            else:
                value = features[name]
                rise[place] += float((more * value).sum())
                across = np.bincount(c.first, spread * value, items) - np.bincount(c.second, spread * value, items)
            bend[:items, place] += across
            bend[place, :items] += across
        for name, place in marks:
            for other, beside in marks:
                if name == "tie" and other != "tie":
                    between = float((with_tie * features[other]).sum())
                    bend[place, beside] += between
                    bend[beside, place] += between
                elif name != "tie" and other != "tie":
                    bend[place, beside] += float((spread * features[name] * features[other]).sum())
        assert bend.shape == (size, size)  # noqa: S101
        return rise, bend
