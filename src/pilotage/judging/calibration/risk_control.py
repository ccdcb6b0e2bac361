"""Thresholds with a guarantee: Learn-then-Test by a fixed sequence.

The thresholds to be tried come from the confidences alone, strict to loose, so every label can test. Each says "the error rate among what is
accepted is above ``risk``"; we walk down while this is refuted and stop where it is not. The chance that the threshold certified has a true error
rate above ``risk`` is at most ``delta``, whatever the model, at any n: a SELECTIVE guarantee.

The first step is the strictest one that could pass at all (``n ≥ ln(alpha) / ln(1 - risk)`` accepted items, none of them wrong): a grid that starts
above it certifies nothing. One early error ends the walk of a noisy model, so there are two starts, at one and at three times that n, each with
half of ``delta``; a walk that reaches the second start alive has both halves from there on (the fallback procedure), which costs nothing.

Items with unequal inclusion probabilities, and soft truth, are tested by a betting bound; the plain binomial is refused for them.
Repeated looks at growing data spend ``delta`` as 6 / (π² k²). Cost: O(n log n) for the sort, then O(steps).

References: Angelopoulos et al. (2021) "Learn then Test"; Wiens (2003) for the fallback procedure; Angelopoulos et al. (2022) "Conformal risk
control" for the marginal reading; Tibshirani et al. (2019) for its weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pilotage.core import InputError, Refused
from pilotage.judging.calibration.bounds import alpha_of_look, betting_log_wealth, binomial_p, clopper_pearson_upper, hoeffding_bentkus_p
from pilotage.judging.calibration.sample import Sample
from pilotage.judging.calibration.verdict import Guarantee, Threshold

STEPS = 100

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def certify(
    sample: Sample,
    *,
    risk: float,
    delta: float = 0.05,
    starts: Sequence[float] = (1.0, 3.0),
    look: int = 1,
    only_look: bool = False,
    steps: int = STEPS,
    bound: str = "auto",
    share: float = 1.0,
    slice: str = "",
    smallest_inclusion: float | None = None,
) -> Threshold:
    """The loosest threshold whose selective error is shown to be at most ``risk``, with probability 1 - ``delta`` over the draw of the sample.

    Parameters
    ----------
    starts
        Multiples of the smallest n that could pass; ``delta`` is shared between them.
    look
        Which look at this (growing) sample it is, from 1.
    only_look
        No other look was or will be taken: all of ``delta`` is spent on this one. Who looks again must not have said so.
    bound
        ``binomial`` (exact; 0/1 truth of equally weighted items only), ``betting`` (any), ``hoeffding_bentkus`` (equal weights), or ``auto``.
    share
        The share of ``delta`` this threshold may spend: 1 / slices where there are several.
    smallest_inclusion
        The smallest inclusion probability the sampling design could have used; default: the smallest that occurs.

    Raises
    ------
    InputError
        On a risk, delta or share outside (0, 1), or a look below 1.
    Refused
        If ``bound="binomial"`` is asked for unequal weights or soft truth.
    """
    _check(risk, delta, share, starts)
    method = _method(sample, bound)
    alpha = alpha_of_look(delta, look, only=only_look) * share
    order = np.argsort(-sample.confidence, kind="stable")
    confidence, loss, weights = sample.confidence[order], sample.wrong[order], sample.weights[order]
    scaled = _scaled(sample, smallest_inclusion)[order]
    least = smallest_n(risk, alpha / len(starts)) if method != "betting" else smallest_bet(scaled, risk, alpha / len(starts))
    ends = grid(confidence, least=least, steps=steps)
    if not len(ends):
        p = np.empty(0)
    elif method == "binomial":
        p = binomial_p(np.cumsum(loss)[ends - 1], ends, risk)
    elif method == "hoeffding_bentkus":
        p = hoeffding_bentkus_p(np.cumsum(loss)[ends - 1] / ends, ends, risk)
    else:
        p = np.exp(-np.maximum(betting_log_wealth(loss, scaled, risk), 0.0))[ends - 1]
    own = own_alphas(ends, least=least, alpha=alpha, starts=starts)
    last, spent, tested = walk(p, own)
    made = Threshold(
        value=None,
        guarantee=Guarantee.SELECTIVE,
        risk=risk,
        delta=delta,
        alpha=alpha,
        coverage=0.0,
        accepted=0,
        errors=0.0,
        bound=None,
        method=_NAMES[method],
        n=sample.n,
        look=look,
        tested=int(tested),
        steps=len(ends),
        slice=slice,
    )
    if last < 0:
        return replace(made, reason=_why_not(sample.n, ends, loss, risk, least))
    accepted = int(ends[last])
    errors = float(loss[:accepted].sum())
    return replace(
        made,
        value=float(confidence[accepted - 1]),
        alpha=float(spent),
        coverage=float(weights[:accepted].sum() / weights.sum()),
        accepted=accepted,
        errors=errors,
        bound=min(risk, clopper_pearson_upper(errors, accepted, float(spent))) if method == "binomial" else risk,
    )


_NAMES = {
    "binomial": "Learn-then-Test, fixed sequence, Clopper-Pearson",
    "betting": "Learn-then-Test, fixed sequence, weighted betting bound",
    "hoeffding_bentkus": "Learn-then-Test, fixed sequence, Hoeffding-Bentkus",
}


def certify_slices(
    sample: Sample,
    dimension: str,
    *,
    risk: float | Mapping[str, float],
    delta: float = 0.05,
    shares: Mapping[str, float] | None = None,
    starts: Sequence[float] = (1.0, 3.0),
    look: int = 1,
    only_look: bool = False,
    steps: int = STEPS,
) -> dict[str, Threshold]:
    """A threshold for each value of ``dimension``; all hold together with probability 1 - ``delta``.

    ``shares`` of ``delta`` by value (they sum to at most 1) favour slices that matter more; default: equal.

    Raises
    ------
    InputError
        If the sample has no such dimension, or the shares sum to more than 1 or leave a slice out.
    """
    if dimension not in sample.slices:
        raise InputError(f"The sample has no slices by '{dimension}'.", mend=f"one of: {', '.join(sorted(sample.slices)) or 'none'}")
    values = [value for name, value in sample.slice_names() if name == dimension]
    given = dict(shares) if shares is not None else {value: 1.0 / len(values) for value in values}
    missing = [value for value in values if value not in given]
    if missing or sum(given.values()) > 1 + 1e-9:
        raise InputError(
            f"The shares of delta sum to {sum(given.values()):g}" + (f" and leave out '{missing[0]}'." if missing else "."),
            mend="a share for every slice, together at most 1",
        )
    return {
        value: certify(
            sample.where(sample.in_slice(dimension, value)),
            risk=risk[value] if isinstance(risk, Mapping) else risk,
            delta=delta,
            share=given[value],
            starts=starts,
            look=look,
            only_look=only_look,
            steps=steps,
            slice=f"{dimension}={value}",
        )
        for value in values
    }


def marginal(sample: Sample, *, risk: float) -> Threshold:
    """The second reading: accepted-and-wrong is at most ``risk`` of everything, on average over draws (MARGINAL; conformal risk control).

    It accepts more than :func:`certify` at the same figure, because everything that is not accepted counts as right. Unequal inclusion
    probabilities weigh in with the heaviest weight standing for the next item, which errs on the safe side.
    """
    _check(risk, 0.05, 1.0, (1.0,))
    order = np.argsort(-sample.confidence, kind="stable")
    confidence, weights = sample.confidence[order], sample.weights[order]
    lost = np.cumsum(weights * sample.wrong[order])
    heaviest, total = float(weights.max()), float(weights.sum())
    adjusted = (lost + heaviest) / (total + heaviest)
    ends = _distinct_ends(confidence)
    passing = np.flatnonzero(adjusted[ends - 1] <= risk)
    made = Threshold(
        value=None,
        guarantee=Guarantee.MARGINAL,
        risk=risk,
        delta=0.0,
        alpha=0.0,
        coverage=0.0,
        accepted=0,
        errors=0.0,
        bound=None,
        method="conformal risk control",
        n=sample.n,
        tested=len(ends),
        steps=len(ends),
    )
    if not len(passing):
        return replace(made, reason=f"even the strictest threshold stays above {risk:g}; 1 / (n + 1) = {1 / (sample.n + 1):.4f} counts as lost")
    accepted = int(ends[passing[-1]])
    return replace(
        made,
        value=float(confidence[accepted - 1]),
        coverage=float(weights[:accepted].sum() / total),
        accepted=accepted,
        errors=float(sample.wrong[order][:accepted].sum()),
        bound=float(adjusted[accepted - 1]),
    )


@dataclass(frozen=True)
class SetRule:
    """Predicted sets that hold the right class at least 1 - ``alpha`` of the time, on average (SET). Not an error rate of accepted answers.

    ``cutoff``: a class is in the set if its probability is at least this. ``single``: the share of items with one class in the set.
    """

    cutoff: float
    alpha: float
    n: int
    mean_size: float
    single: float
    guarantee: Guarantee = Guarantee.SET


def set_coverage(probabilities: Floats, right: Ints, *, alpha: float) -> SetRule:
    """Split-conformal sets from (n, K) ``probabilities`` and the index of the ``right`` class of each item, all drawn alike.

    Raises
    ------
    InputError
        On shapes that differ, or n too small for ``alpha`` (n + 1 < 1 / alpha), where every class would have to be in every set.
    """
    shares, classes = np.asarray(probabilities, dtype=np.float64), np.asarray(right)
    if shares.ndim != 2 or len(shares) != len(classes) or not 0 < alpha < 1 or not np.isfinite(shares).all():
        raise InputError(
            f"Probabilities of shape {shares.shape} for {len(classes)} right classes at alpha {alpha:g}.", mend="(items, classes), and 0 < alpha < 1"
        )
    n = len(classes)
    rank = math.ceil((n + 1) * (1 - alpha))
    if rank > n:
        raise InputError(f"{n} items are too few for alpha {alpha:g}.", mend=f"label at least {math.ceil(1 / alpha) - 1}")
    # The shares themselves, not one minus one minus them: that may round above a share, and leave out every item that has just it.
    cutoff = float(np.sort(shares[np.arange(n), classes])[n - rank])
    sizes = (shares >= cutoff).sum(axis=1)
    return SetRule(cutoff=cutoff, alpha=alpha, n=n, mean_size=float(sizes.mean()), single=float((sizes == 1).mean()))


def smallest_n(risk: float, alpha: float) -> int:
    """The fewest accepted items, none of them wrong, that show an error rate of at most ``risk`` at ``alpha``."""
    return math.ceil(math.log(alpha) / math.log1p(-risk) - 1e-9)


def grid(confidence: Floats, *, least: int, steps: int = STEPS) -> Ints:
    """How many items each threshold accepts, at least ``least``, strict to loose, from confidences sorted downwards. No label is looked at.

    Ties stay together: a threshold accepts all items of a confidence or none.
    """
    ends = _distinct_ends(confidence)
    ends = ends[ends >= least]
    if len(ends) <= steps:
        return ends
    wanted = np.linspace(ends[0], ends[-1], steps)
    return np.unique(ends[np.minimum(np.searchsorted(ends, wanted - 1e-9), len(ends) - 1)])


def own_alphas(ends: Ints, *, least: int, alpha: float, starts: Sequence[float]) -> Floats:
    """What each step of the grid brings along to spend: ``alpha`` / starts at the first step at or after each multiple of ``least``, else 0."""
    own = np.zeros(len(ends))
    for start in starts:
        at = int(np.searchsorted(ends, math.ceil(start * least)))
        if at < len(ends):
            own[at] += alpha / len(starts)
    return own


def walk(p: Floats, own: Floats) -> tuple[NDArray[np.int64], Floats, Ints]:
    """The fallback procedure along the last axis of ``p``: (last step refuted or -1, the alpha it was tested at, steps tested).

    A step refuted passes what it was tested at on to the next; what a step that stands had is lost, and the next start brings its own.
    """
    shape = p.shape[:-1]
    carried, spent = np.zeros(shape), np.zeros(shape)
    last, tested = np.full(shape, -1, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for step in range(p.shape[-1]):
        alpha = carried + own[step]
        tested += alpha > 0
        refuted = (p[..., step] <= alpha) & (alpha > 0)
        last = np.where(refuted, step, last)
        spent = np.where(refuted, alpha, spent)
        carried = np.where(refuted, alpha, 0.0)
    return last, spent, tested


def _distinct_ends(confidence: Floats) -> Ints:
    """1 + the last position of each distinct value in a sorted column."""
    return np.append(np.flatnonzero(np.diff(confidence) != 0), len(confidence) - 1) + 1 if len(confidence) else np.empty(0, dtype=np.int64)


def _scaled(sample: Sample, smallest: float | None) -> Floats:
    """The smallest inclusion probability there could be over each item's own: weights within (0, 1]."""
    if sample.inclusion is None:
        return np.ones(sample.n)
    least = float(sample.inclusion.min())
    if smallest is not None and not 0 < smallest <= least:
        raise InputError(f"An item was drawn with probability {least:g}, so the smallest is not {smallest:g}.", where="smallest_inclusion")
    return (smallest or least) / sample.inclusion


def smallest_bet(scaled: Floats, risk: float, alpha: float) -> int:
    """The fewest items, none wrong, on which bets can win 1 / ``alpha``; one more than there are if they never can."""
    best = betting_log_wealth(np.zeros(len(scaled)), scaled, risk)
    return int(np.searchsorted(best, -math.log(alpha))) + 1


def _method(sample: Sample, bound: str) -> str:
    if bound not in ("auto", *_NAMES):
        raise InputError(f"There is no bound '{bound}'.", mend=f"one of: auto, {', '.join(_NAMES)}")
    if bound == "auto":
        return "binomial" if sample.equal_weights and sample.binary else "betting"
    if bound != "betting" and not sample.equal_weights:
        raise Refused(
            "The items have unequal inclusion probabilities.",
            why="the plain bound counts them alike, so its promise would be about the sample and not about production",
            mend="bound='betting' (or 'auto')",
        )
    if bound == "binomial" and not sample.binary:
        raise Refused("The truth is soft: shares of votes are no coin tosses.", mend="bound='betting' (or 'auto')")
    return bound


def _check(risk: float, delta: float, share: float, starts: Sequence[float]) -> None:
    if not 0 < risk < 1 or not 0 < delta < 1 or not 0 < share <= 1:
        raise InputError(f"risk {risk:g}, delta {delta:g} and share {share:g} are not all within (0, 1).")
    if not starts or min(starts) < 1:
        raise InputError("A start below 1 cannot pass.", mend="multiples of the smallest n, such as (1, 3)")


def _why_not(n: int, ends: Ints, loss: Floats, risk: float, least: int) -> str:
    if not len(ends):
        return f"{n} items; a risk of {risk:g} needs {f'{least} accepted ones' if least <= n else 'more'}, none wrong, to be shown at all"
    first = int(ends[0])
    return f"{loss[:first].sum():g} of the {first} most confident outputs are wrong; that does not show an error rate of at most {risk:g}"
