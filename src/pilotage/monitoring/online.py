"""Watching a stream: is a rate above (below) what it may be, asked after every row, with a bound on false alarms.

A fixed-n test that is looked at every day alarms sooner or later whatever happens. This one may be looked at as often as one likes. It is a bet:
capital is multiplied by 1 + b (x - limit) for each x in [0, 1]; as long as the mean given the past is within the limit, no bet has a gain to expect,
so capital is a supermartingale. The mean over a grid of bets is one too.

- ``mode="level"``: started once. P(it ever alarms) ≤ ``alpha`` while the mean stays within the limit (Ville's inequality). For "is this release
  worse?".
- ``mode="change"``: started anew at every row, summed (Shiryaev-Roberts). The mean number of rows until a false alarm is at least 1 / ``alpha``, and
  a change after a long calm is found as quickly as one at the start. For watching for ever.

References: Ville (1939); Waudby-Smith & Ramdas (2024) for betting; Shin, Ramdas & Rinaldo (2024), arXiv 2203.03532, for e-detectors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pilotage.core import InputError

Mode = Literal["level", "change"]
Direction = Literal["above", "below"]
BETS = 24


@dataclass
class RateMonitor:
    """Watches the mean of values in [0, 1] (0 and 1 for a rate) against ``limit``.

    limit
        What the mean may be, strictly between 0 and 1.
    direction
        ``above``: alarm when it is more than that; ``below``: when it is less.
    alpha
        See the module: a probability (``level``) or one over a mean run length (``change``).
    mode
        ``level`` or ``change``.

    Its state is plain data (:meth:`to_dict`, :meth:`from_dict`): kept between batches, it goes on as if it had never stopped.
    """

    limit: float
    direction: Direction = "above"
    alpha: float = 0.01
    mode: Mode = "level"
    n: int = 0
    alarm_at: int | None = None
    mean: float = 0.0
    _log: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.limit < 1 or not 0 < self.alpha < 1:
            raise InputError(f"A limit of {self.limit} or an alpha of {self.alpha} is not between 0 and 1.", where="rate monitor")
        if self.direction not in ("above", "below") or self.mode not in ("level", "change"):
            raise InputError("A monitor watches 'above' or 'below', for a 'level' or a 'change'.", where="rate monitor")
        if not len(self._log):
            self._log = np.full(BETS, 0.0 if self.mode == "level" else -math.inf)

    @property
    def evidence(self) -> float:
        """The e-value: how many times the bets have been multiplied. The alarm is at 1 / alpha."""
        top = float(self._log.max())
        if top == -math.inf:
            return 0.0
        return math.exp(min(700.0, top + math.log(float(np.exp(self._log - top).mean()))))

    @property
    def alarmed(self) -> bool:
        """Whether it has alarmed. It stays so: :meth:`restart` is somebody's decision."""
        return self.alarm_at is not None

    def observe(self, values: Iterable[float]) -> bool:
        """Take the next values, in their order; whether it has alarmed by now. O(values).

        Raises
        ------
        InputError
            If a value is not in [0, 1]; then none is taken.
        """
        x = np.asarray(list(values) if not isinstance(values, np.ndarray) else values, dtype=np.float64)
        if not np.all((x >= 0) & (x <= 1)):
            raise InputError("A watched value is not between 0 and 1.", where="rate monitor", mend="scale it, or watch the rate of passing a limit")
        limit = self.limit if self.direction == "above" else 1 - self.limit
        gains = (x if self.direction == "above" else 1 - x) - limit
        # Bets from timid to bold: small ones find small changes. 1 + b (x - limit) stays above 0 at the boldest.
        bets = np.geomspace(0.005, 0.95, BETS) / limit
        growth = np.log1p(gains[:, None] * bets[None, :])
        bound = -math.log(self.alpha)
        for step, each in enumerate(growth):
            # log(1 + R) + log(growth): a bet is started anew with every row.
            self._log = (self._log if self.mode == "level" else np.logaddexp(0.0, self._log)) + each
            self.n += 1
            self.mean += (float(x[step]) - self.mean) / self.n
            if self.alarm_at is None:
                top = float(self._log.max())
                if top >= bound and top + math.log(float(np.exp(self._log - top).mean())) >= bound:
                    self.alarm_at = self.n
        return self.alarmed

    def restart(self) -> None:
        """Forget everything seen: after the cause of an alarm was mended."""
        self.n, self.alarm_at, self.mean = 0, None, 0.0
        self._log = np.full(BETS, 0.0 if self.mode == "level" else -math.inf)

    def to_dict(self) -> dict[str, Any]:
        """State as plain data."""
        return {
            "limit": self.limit,
            "direction": self.direction,
            "alpha": self.alpha,
            "mode": self.mode,
            "n": self.n,
            "alarm_at": self.alarm_at,
            "mean": self.mean,
            "log": [None if value == -math.inf else float(value) for value in self._log],
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> RateMonitor:
        """A monitor that goes on from :meth:`to_dict`."""
        kept = dict(state)
        log = kept.pop("log", None)
        if not isinstance(log, list) or len(log) != BETS:
            raise InputError("This is not the state of a rate monitor.", where="rate monitor", mend="give what to_dict() returned")
        return cls(**kept, _log=np.array([-math.inf if value is None else value for value in log], dtype=np.float64))

    def __str__(self) -> str:
        said = f"alarm at row {self.alarm_at}" if self.alarmed else "no alarm"
        return f"{said}: mean {self.mean:.4f} of {self.n}, limit {self.direction} {self.limit:g}, e = {self.evidence:.3g} of {1 / self.alpha:g}"
