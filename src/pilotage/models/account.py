"""What has been spent, and what still may be.

An :class:`Account` is asked before every try. It reserves what that try may cost at most, so that a hundred requests in flight together cannot
overshoot a budget: when the rest would not cover one more, the try waits for others to settle for less than was reserved, and only when nothing is in
flight any more is the budget reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pilotage.core import Refused
from pilotage.models.limiter import Pace
from pilotage.models.message import Usage
from pilotage.models.target import Limits, Prices

_MILLION = 1_000_000


class BudgetReached(Refused):
    """A limit allows no further request. ``limit`` names it: requests, tokens, spend_minor or wall_s."""

    def __init__(self, limit: str, what: str) -> None:
        super().__init__(what, mend=f"raise the limit '{limit}' and run the same again: what is done is kept")
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used. ``millionths`` is money in millionths of a minor unit: exact, as prices are per million tokens."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: int = 0
    millionths: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.estimated + other.estimated,
            self.millionths + other.millionths,
        )

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together. ``estimated`` counts the requests for which the server did not say."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def spend_minor(self) -> int:
        """Money in whole minor units, rounded up."""
        return -(-self.millionths // _MILLION)


class Account:
    """The budget of one piece of work, and what it has used.

    ``already`` is what earlier invocations spent. ``monotonic`` tells seconds for the wall limit, which counts from now.
    """

    def __init__(self, limits: Limits, prices: Prices, *, already: Spent | None = None, monotonic: Callable[[], float] | None = None) -> None:
        self.limits = limits
        self.spent = already or Spent()
        self.pace = Pace(limits.requests_per_s)
        self._prices = prices
        self._undrained = Spent()
        self._reserved_requests = 0
        self._reserved_tokens = 0
        self._reserved_millionths = 0
        self._settled: list[asyncio.Future[None]] = []
        self._monotonic = monotonic or _loop_time
        self._deadline = None if limits.wall_s is None else self._monotonic() + limits.wall_s

    def check_time(self) -> None:
        """Raise ``BudgetReached`` if the time is up."""
        if self._deadline is not None and self._monotonic() >= self._deadline:
            raise BudgetReached("wall_s", f"The time limit of {self.limits.wall_s:g} s is reached.")

    async def reserve(self, *, prompt_tokens: int, completion_tokens: int) -> None:
        """Set aside one try of at most this many tokens, waiting for other tries to settle if need be.

        Raises
        ------
        BudgetReached
            If it would not fit even with everything in flight settled, or the time is up.
        """
        cost = self._cost(prompt_tokens, completion_tokens)
        tokens = prompt_tokens + completion_tokens
        while True:
            self.check_time()
            short = self._short(tokens, cost)
            if short is None:
                break
            if self._reserved_requests == 0:
                raise short
            settled = asyncio.get_running_loop().create_future()
            self._settled.append(settled)
            await settled
        self._reserved_requests += 1
        self._reserved_tokens += tokens
        self._reserved_millionths += cost

    def settle(self, *, prompt_tokens: int, completion_tokens: int, sent: bool, usage: Usage | None) -> None:
        """Undo the reservation (same figures as reserved) and book what was really used. ``sent`` False: nothing left this machine."""
        self._reserved_requests -= 1
        self._reserved_tokens -= prompt_tokens + completion_tokens
        self._reserved_millionths -= self._cost(prompt_tokens, completion_tokens)
        if sent:
            usage = usage or Usage()
            booked = Spent(
                1,
                usage.prompt_tokens,
                usage.completion_tokens,
                int(usage.estimated),
                self._cost(usage.prompt_tokens, usage.completion_tokens),
            )
            self.spent += booked
            self._undrained += booked
        waiting, self._settled = self._settled, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def drain(self) -> Spent:
        """What was booked since the last call: for whoever writes it down."""
        drained, self._undrained = self._undrained, Spent()
        return drained

    def _cost(self, prompt_tokens: int, completion_tokens: int) -> int:
        return prompt_tokens * self._prices.input + completion_tokens * self._prices.output

    def _short(self, tokens: int, cost: int) -> BudgetReached | None:
        limits, spent = self.limits, self.spent
        if limits.requests is not None and spent.requests + self._reserved_requests + 1 > limits.requests:
            return BudgetReached("requests", f"The limit of {limits.requests} requests is reached.")
        if limits.tokens is not None and spent.tokens + self._reserved_tokens + tokens > limits.tokens:
            return BudgetReached(
                "tokens",
                f"{spent.tokens} of {limits.tokens} tokens are used, and the next request may take {tokens}.",
            )
        if limits.spend_minor is not None and spent.millionths + self._reserved_millionths + cost > limits.spend_minor * _MILLION:
            return BudgetReached(
                "spend_minor",
                f"{spent.spend_minor} of {limits.spend_minor} minor units are spent, and the next request may take {-(-cost // _MILLION)}.",
            )
        return None


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
