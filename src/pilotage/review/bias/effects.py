"""What a machine's suggestions do to people's answers: pure functions from answers to figures.

People who see a suggestion agree with it more often, wrong ones included (automation bias). How much is told by three comparisons: with errors
that were planted (the miss rate), with the same kind of items where the suggestion was withheld (excess agreement), and with what the same person
said before seeing it (appropriate reliance: RAIR and RSR). Whether people still tell right from wrong suggestions is told by d′; which way they
lean by the criterion c. Every interval accounts for persons. Below the numbers of :class:`.Needed` there is no figure, but its reason.

Sources: Schemmer et al. (2023) "Appropriate Reliance on AI Advice" for RAIR and RSR; Macmillan & Creelman (2005) for d′ and c; Parasuraman & Manzey
(2010) for commission errors on planted failures. Cost: a few passes over the answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from pilotage.core import InputError
from pilotage.evidence import Evidence, not_assessable, rate
from pilotage.review.bias.answers import AidedAnswer, require_once
from pilotage.review.bias.contrasts import detection, observations, rate_difference, time_ratio
from pilotage.review.bias.power import Needed, enough

FAST_MS = 2000
STREAK = 5
By = Literal["person", "slice", "hour"]


@dataclass(frozen=True)
class Effects:
    """What suggestions did, over one set of answers.

    miss_rate
        How often a planted error was accepted.
    excess_agreement
        Agreement with wrong suggestions where shown, minus agreement with them where withheld: what the showing did.
    excess_on_seeds
        The same for planted values: accepted where planted, minus given by people who saw something else or nothing.
    rair, rsr
        Relative AI reliance: of the first answers that were wrong against a right suggestion, how many became right. Relative self-reliance: of the
        first answers that were right against a wrong suggestion, how many stayed. Both are best at 1.
    over_correction
        How often a right suggestion was turned down.
    d_prime, criterion
        Telling wrong from right suggestions, and the leaning (above 0: to accept).
    time_ratio
        How many times as long wrong suggestions took as right ones; 1 means that nobody looked longer.
    fast_accepts
        The share of shown suggestions accepted within a run of at least ``STREAK`` accepts in under two seconds each.
    longest_streak
        The longest such run, or 0.
    void_seeds
        Planted values that turned out to be right; they are in no figure.
    n, people
        Answers and persons.
    """

    miss_rate: Evidence
    excess_agreement: Evidence
    excess_on_seeds: Evidence
    rair: Evidence
    rsr: Evidence
    over_correction: Evidence
    d_prime: Evidence
    criterion: Evidence
    time_ratio: Evidence
    fast_accepts: Evidence
    longest_streak: int
    void_seeds: int
    n: int
    people: int

    @property
    def figures(self) -> tuple[Evidence, ...]:
        """Every figure, in order."""
        return tuple(value for value in vars(self).values() if isinstance(value, Evidence))

    def about(self, *, slice: Mapping[str, str], subject: Mapping[str, Any] | None = None) -> Effects:
        """The same, said to be about this slice and subject."""
        changed = {name: value.about(slice=slice, subject=subject) for name, value in vars(self).items() if isinstance(value, Evidence)}
        return Effects(**{**vars(self), **changed})

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {name: value.to_dict() if isinstance(value, Evidence) else value for name, value in vars(self).items()}

    def __str__(self) -> str:
        lines = [str(figure) for figure in self.figures]
        return "\n".join([f"{self.n} answers of {self.people} people", *lines, f"longest run of fast accepts: {self.longest_streak}"])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def measure(answers: Iterable[AidedAnswer], *, needed: Needed | None = None, level: float = 0.95) -> Effects:
    """Every figure over ``answers``, which may be of one person (then intervals are over their items, and say nothing about others).

    Raises
    ------
    InputError
        If an answer is there twice.
    """
    need = needed or Needed()
    given = require_once(answers)
    kept = [each for each in given if not each.void]
    single = len({each.person for each in kept}) < 2
    notes = {"over": "items of one person" if single else "persons"}

    def rate_of(metric: str, part: Sequence[AidedAnswer], outcome: Callable[[AidedAnswer], bool], least: int, of: str, **more: Any) -> Evidence:
        figure = rate(observations(part, map(outcome, part), single=single), metric=metric, level=level, detail={**notes, **more})
        return enough(figure, len(part), least, of=of)

    def difference(metric: str, first: Sequence[AidedAnswer], second: Sequence[AidedAnswer], said: Callable[[AidedAnswer], Any], of: str) -> Evidence:
        sides = [observations(side, [each.answer == said(each) for each in side], single=single) for side in (first, second)]
        figure = rate_difference(sides[0], sides[1], metric=metric, level=level, detail=notes)
        return enough(figure, min(len(first), len(second)), need.per_arm, of=of)

    seeds = [each for each in kept if each.arm == "seeded"]
    caught = sum(not each.accepted for each in seeds)
    astray = sum(each.truth is not None and not each.accepted and each.answer != each.truth for each in seeds)
    shown_wrong = [each for each in kept if each.arm == "suggestion_shown" and each.suggestion_right is False]
    withheld_wrong = [each for each in kept if each.arm == "withheld" and each.suggestion_right is False]
    unseeded = [each for each in kept if each.arm != "seeded" and each.planted is not None and each.shown != each.planted]
    first = [each for each in kept if each.arm == "answer_first" and each.suggestion_right is not None]
    could_gain = [each for each in first if each.suggestion_right and each.first != each.truth]
    could_lose = [each for each in first if not each.suggestion_right and each.first == each.truth]
    seen = [each for each in kept if each.shown is not None]
    right = [each for each in seen if each.shown_right]
    wrong = [each for each in seen if each.shown_right is False]
    d_prime, criterion = detection(
        observations(wrong, [not each.accepted for each in wrong], single=single),
        observations(right, [not each.accepted for each in right], single=single),
        level=level,
        detail=notes,
    )
    ratio = time_ratio(wrong, right, metric="time_ratio", level=level, detail=notes)
    fewest = min(len(wrong), len(right))
    streaks = _streaks(seen)
    return Effects(
        miss_rate=rate_of("miss_rate", seeds, lambda each: each.accepted, need.seeds, "seeds", caught=caught, caught_but_wrong=astray),
        excess_agreement=difference(
            "excess_agreement", shown_wrong, withheld_wrong, lambda each: each.suggestion, "wrong suggestions in the smaller of the two arms"
        ),
        excess_on_seeds=difference("excess_on_seeds", seeds, unseeded, lambda each: each.planted, "seeds, or answers without them"),
        rair=_reliance("rair", could_gain, rate_of, need),
        rsr=_reliance("rsr", could_lose, rate_of, need),
        over_correction=rate_of("over_correction", right, lambda each: not each.accepted, need.per_arm, "right suggestions"),
        d_prime=enough(d_prime, fewest, need.per_arm, of="right or wrong suggestions"),
        criterion=enough(criterion, fewest, need.per_arm, of="right or wrong suggestions"),
        time_ratio=enough(ratio, fewest, need.per_arm, of="right or wrong suggestions"),
        fast_accepts=_fast(seen, streaks, single=single, level=level, notes=notes, least=need.per_arm),
        longest_streak=max(streaks.values(), default=0),
        void_seeds=sum(each.arm == "seeded" for each in given) - len(seeds),
        n=len(given),
        people=len({each.person for each in given}),
    )


def _reliance(metric: str, part: Sequence[AidedAnswer], rate_of: Callable[..., Evidence], need: Needed) -> Evidence:
    of = (
        "first answers that were wrong against a right suggestion" if metric == "rair" else "first answers that were right against a wrong suggestion"
    )
    figure: Evidence = rate_of(metric, part, lambda each: each.answer == each.truth, need.per_arm, of)
    if part:
        return figure
    reason = f"there are no {of}: only the arm 'answer_first' tells what a person would have said"
    return not_assessable(metric, reason=reason, level=figure.level)


def _streaks(seen: Sequence[AidedAnswer]) -> dict[str, int]:
    """For each answer that lies in a run of fast accepts: the run's length."""
    by_person: dict[str, list[AidedAnswer]] = {}
    for each in seen:
        by_person.setdefault(each.person, []).append(each)
    found: dict[str, int] = {}
    for answers in by_person.values():
        run: list[AidedAnswer] = []
        for each in sorted(answers, key=lambda each: (each.at, each.key)):
            if not (each.accepted and each.active_ms is not None and each.active_ms < FAST_MS):
                run = []
                continue
            run.append(each)
            if len(run) >= STREAK:
                found.update({member.key: len(run) for member in run})
    return found


def _fast(seen: Sequence[AidedAnswer], streaks: Mapping[str, int], *, single: bool, level: float, notes: Mapping[str, Any], least: int) -> Evidence:
    timed = [each for each in seen if each.active_ms is not None]
    figure = rate(
        observations(timed, [each.key in streaks for each in timed], single=single),
        metric="fast_accepts",
        level=level,
        detail={**notes, "under_ms": FAST_MS, "run_of": STREAK},
    )
    return enough(figure, len(timed), least, of="timed answers to shown suggestions")


def measure_by(answers: Iterable[AidedAnswer], by: By, *, needed: Needed | None = None, level: float = 0.95) -> dict[str, Effects]:
    """As :func:`measure` for each person, slice or hour of shift, in their order. Groups overlap in nothing, but each has its own interval only:
    where many are compared, some will look special by luck.
    """
    if by not in ("person", "slice", "hour"):
        raise InputError(f"Effects are not told apart by '{by}'.", mend="use person, slice or hour")
    groups: dict[Any, list[AidedAnswer]] = {}
    for each in require_once(answers):
        groups.setdefault(getattr(each, by), []).append(each)
    return {str(name): measure(groups[name], needed=needed, level=level).about(slice={by: str(name)}) for name in sorted(groups)}


def accepted_wrong(answers: Iterable[AidedAnswer]) -> Iterator[tuple[AidedAnswer, bool]]:
    """Each answer to a suggestion that was shown and wrong (planted or not), and whether it was accepted."""
    for each in answers:
        if each.shown_right is False:
            yield each, each.accepted


@dataclass(frozen=True)
class Change:
    """What changed in the share of wrong suggestions that were accepted, from one set of answers to another.

    ``difference`` is after − before: below 0, fewer wrong suggestions went through. ``randomised``: whether chance dealt who was in which; if not,
    what else changed in between may be the cause.
    """

    name: str
    before: Evidence
    after: Evidence
    difference: Evidence
    right_turned_down: Evidence
    time_ratio: Evidence
    randomised: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {name: value.to_dict() if isinstance(value, Evidence) else value for name, value in vars(self).items()}

    def __str__(self) -> str:
        how = "dealt at random" if self.randomised else "not dealt at random: what else changed may be the cause"
        return f"{self.name} ({how})\n  {self.difference}\n  {self.right_turned_down}\n  {self.time_ratio}"


def compare(
    before: Iterable[AidedAnswer],
    after: Iterable[AidedAnswer],
    *,
    name: str,
    randomised: bool = False,
    needed: Needed | None = None,
    level: float = 0.95,
) -> Change:
    """What a countermeasure did: acceptance of wrong suggestions, and its price in right ones turned down and in time, after against before.

    A countermeasure that makes correcting laborious raises acceptance of wrong suggestions (Beck et al. 2025): this is where it shows.
    """
    need = needed or Needed()
    sides = [require_once(side) for side in (before, after)]
    people = {each.person for side in sides for each in side}
    single = len(people) < 2
    picked = [list(accepted_wrong(side)) for side in sides]
    # The same person may answer the same item in both periods: the period is part of the name.
    named = [[_in(side, part) for side, _ in part_of] for part, part_of in (("before", picked[0]), ("after", picked[1]))]
    obs = [observations(who, [taken for _, taken in part], single=single) for who, part in zip(named, picked, strict=True)]
    rates = [rate(part, metric="accepted_wrong", level=level) for part in obs]
    counts = [len(part) for part in picked]
    difference = rate_difference(obs[1], obs[0], metric="accepted_wrong_change", level=level)
    rights = [[_in(each, part) for each in side if each.shown_right] for part, side in zip(("before", "after"), sides, strict=True)]
    down = [observations(side, [not each.accepted for each in side], single=single) for side in rights]
    turned = rate_difference(down[1], down[0], metric="right_turned_down_change", level=level)
    return Change(
        name=name,
        before=enough(rates[0], counts[0], need.per_arm, of="wrong suggestions before"),
        after=enough(rates[1], counts[1], need.per_arm, of="wrong suggestions after"),
        difference=enough(difference, min(counts), need.per_arm, of="wrong suggestions in the smaller of the two sides"),
        right_turned_down=enough(turned, min(map(len, rights)), need.per_arm, of="right suggestions in the smaller of the two sides"),
        time_ratio=time_ratio(sides[1], sides[0], metric="time_after_to_before", level=level),
        randomised=randomised,
    )


def _in(each: AidedAnswer, part: str) -> AidedAnswer:
    return AidedAnswer(**{**vars(each), "question": f"{each.question}\x1f{part}"})


def answer_first_effect(answers: Iterable[AidedAnswer], *, needed: Needed | None = None, level: float = 0.95) -> Change:
    """What committing to an answer before seeing the suggestion did, against being shown it at once. Chance dealt the two arms."""
    given = require_once(answers)
    shown = [each for each in given if each.arm == "suggestion_shown"]
    first = [each for each in given if each.arm == "answer_first"]
    return compare(shown, first, name="answer first", randomised=True, needed=needed, level=level)


def arms_of(answers: Iterable[AidedAnswer]) -> dict[str, int]:
    """How many answers each arm has."""
    return dict(sorted(Counter(each.arm for each in answers).items()))
