"""The ladder: from "something moved" to one of seven verdicts, each rung with its figures.

1. **Data**: a bug of the data explains everything after it, so it is looked for first. -> ``data bug``
2. **Size**: fewer rows than the tests need. -> ``undecided``
3. **Inputs**: can a classifier tell production from the reference?
4. **Performance before labels**: by how much did expected performance fall? Without labels the ladder ends here: ``nothing``, ``covariate shift
   harmless`` or ``covariate shift harmful``; concept drift cannot be seen and is never claimed.
5. **Truth given the inputs**, where labels are known: did it change (test), and by how much did the loss rise for rows of the same kind (effect)?
6. **Label shift**: did the share of positives change while each class looks as it did? It is not concept drift. -> ``label shift``
   -> ``concept drift`` if the truth changed, the change matters, and label shift does not explain it.

A p-value alone never decides: a change must also be large enough to matter, and "nothing" is said only where a change large enough to matter would
have been seen. Everything else is ``undecided``, with the n that would decide where it can be worked out. The share of false alarms of the two tests
together is at most twice ``alpha``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pilotage.evidence import Evidence, n_needed
from pilotage.monitoring.data_bugs import BugLimits, DataBug, find_data_bugs, units_of_contract
from pilotage.monitoring.decomposition import Decomposition, decompose
from pilotage.monitoring.domain import Contribution, DomainTest, domain_test
from pilotage.monitoring.estimation import BLIND, PerformanceEstimate, estimate_performance
from pilotage.monitoring.performance import Performance, realised_performance
from pilotage.monitoring.priors import LabelShift, label_shift
from pilotage.monitoring.shapes import Shape, column_shapes
from pilotage.monitoring.windows import Window

if TYPE_CHECKING:
    from pilotage.data.contracts.contract import Contract


class Cause(StrEnum):
    """What a diagnosis can say."""

    NOTHING = "nothing"
    DATA_BUG = "data bug"
    COVARIATE_HARMLESS = "covariate shift harmless"
    COVARIATE_HARMFUL = "covariate shift harmful"
    CONCEPT = "concept drift"
    LABEL_SHIFT = "label shift"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Thresholds:
    """What counts. Every diagnosis carries the ones it used.

    alpha
        Of each test.
    metric
        What harm is measured in: accuracy, precision, recall, f1, specificity or auc.
    harm
        A fall of ``metric`` that hurts.
    material
        A concept part of the loss smaller than this does not matter.
    tolerable
        "Nothing" with labels is said only if a concept part larger than this is ruled out.
    negligible_auc
        "Nothing" is said only if the domain AUC is surely below this.
    prior
        A change of the share of positives that matters.
    explains
        p of P(X | Y) from which label shift counts as the explanation; between ``alpha`` and it, undecided.
    min_rows
        In each window.
    """

    alpha: float = 0.01
    metric: str = "accuracy"
    harm: float = 0.02
    material: float = 0.01
    tolerable: float = 0.05
    negligible_auc: float = 0.55
    prior: float = 0.02
    explains: float = 0.1
    min_rows: int = 300
    bugs: BugLimits = field(default_factory=BugLimits)


@dataclass(frozen=True)
class Rung:
    """One step of the ladder: what was asked, what came out, and the figures behind it."""

    name: str
    asked: str
    found: str
    figures: tuple[Evidence, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name, "asked": self.asked, "found": self.found, "figures": [each.to_dict() for each in self.figures]}


@dataclass(frozen=True)
class Diagnosis:
    """The verdict, why, and the way there.

    columns
        The columns behind it, the most telling first; of a data bug, the broken ones.
    n_needed
        Rows (labelled rows, where labels decide) that would decide; None where decided or not known.
    notes
        What the reader must know: above all what could not be seen.
    shapes
        How the columns looked before and after, those behind it first, to draw them without the rows.
    """

    cause: Cause
    why: str
    path: tuple[Rung, ...]
    columns: tuple[str, ...]
    n_reference: int
    n_production: int
    n_labelled: int
    n_needed: int | None
    thresholds: Thresholds
    notes: tuple[str, ...] = ()
    bugs: tuple[DataBug, ...] = ()
    inputs: DomainTest | None = None
    estimate: PerformanceEstimate | None = None
    realised: Performance | None = None
    parts: Decomposition | None = None
    labels: LabelShift | None = None
    shapes: tuple[Shape, ...] = ()

    @property
    def figures(self) -> tuple[Evidence, ...]:
        """Every figure of every rung, once."""
        return tuple({each.id: each for rung in self.path for each in rung.figures}.values())

    def figure(self, metric: str) -> Evidence:
        """The figure called ``metric``; KeyError if the ladder did not come to it."""
        for each in self.figures:
            if each.metric == metric:
                return each
        raise KeyError(metric)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "cause": str(self.cause),
            "why": self.why,
            "columns": list(self.columns),
            "n_reference": self.n_reference,
            "n_production": self.n_production,
            "n_labelled": self.n_labelled,
            "n_needed": self.n_needed,
            "thresholds": asdict(self.thresholds),
            "notes": list(self.notes),
            "bugs": [bug.to_dict() for bug in self.bugs],
            "behind": [asdict(each) for each in self.inputs.columns] if self.inputs else [],
            "shapes": [shape.to_dict() for shape in self.shapes],
            "path": [rung.to_dict() for rung in self.path],
        }

    def __str__(self) -> str:
        lines = [f"{self.cause}: {self.why}"]
        if self.columns:
            lines.append(f"  behind it: {', '.join(self.columns)}")
        if self.n_needed:
            lines.append(f"  {self.n_needed} rows would decide")
        for rung in self.path:
            lines.append(f"  {rung.name}: {rung.found}")
            lines += [f"    {each}" for each in rung.figures]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def diagnose(
    reference: Window,
    production: Window,
    *,
    contract: Contract | None = None,
    units: Mapping[str, str] | None = None,
    thresholds: Thresholds | None = None,
    training_digest: str | None = None,
    reference_is_training: bool = False,
    personal: Iterable[str] = (),
    level: float = 0.95,
    seed: int = 0,
    subject: Mapping[str, Any] | None = None,
) -> Diagnosis:
    """Why production differs from the reference, if it does.

    Parameters
    ----------
    reference
        Rows with labels that the model was not trained on, oldest first.
    production
        What came in since. With scores and decisions performance is looked at; labels may be there in part or not at all.
    contract, units
        Where units or dimensions are declared: ``units`` is column -> unit or dimension and goes before the contract.
    personal
        Columns whose values are not kept with the report, besides those the contract says are personal.
    training_digest, reference_is_training
        See :func:`~pilotage.monitoring.estimate_performance`.

    Cost: seven small fits on at most 10,000 rows of each window; about half a second of processor time for 3,000 rows × 10 columns.
    """
    return _Ladder(
        reference,
        production,
        {**(units_of_contract(contract) if contract is not None else {}), **dict(units or {})},
        thresholds or Thresholds(),
        {"training_digest": training_digest, "reference_is_training": reference_is_training},
        {"level": level, "seed": seed, "subject": subject},
        frozenset([*personal, *(name for name, column in (contract.columns.items() if contract else ()) if column.personal)]),
    ).climb()


class _Ladder:
    def __init__(
        self,
        reference: Window,
        production: Window,
        units: dict[str, str],
        limits: Thresholds,
        training: dict[str, Any],
        about: dict[str, Any],
        personal: frozenset[str] = frozenset(),
    ) -> None:
        self.reference, self.production = reference, production
        self.units, self.limits, self.training, self.about = units, limits, training, about
        self.personal = personal
        self.path: list[Rung] = []
        self.notes: list[str] = []
        self.found: dict[str, Any] = {}
        self.labelled = min(int(reference.known.sum()), int(production.known.sum()))

    def climb(self) -> Diagnosis:
        return self._data() or self._size() or self._rest()

    def _end(self, cause: Cause, why: str, *, columns: tuple[str, ...] = (), n_needed: int | None = None) -> Diagnosis:
        return Diagnosis(
            cause=cause,
            why=why,
            path=tuple(self.path),
            columns=columns,
            n_reference=self.reference.n,
            n_production=self.production.n,
            n_labelled=int(self.production.known.sum()),
            n_needed=n_needed if cause is Cause.UNDECIDED else None,
            thresholds=self.limits,
            notes=tuple(self.notes),
            shapes=self._shapes(columns),
            **self.found,
        )

    def _shapes(self, columns: tuple[str, ...]) -> tuple[Shape, ...]:
        inputs = self.found.get("inputs")
        ranked = [each.column for each in inputs.columns] if inputs is not None else []
        return column_shapes(self.reference.features, self.production.features, first=[*columns, *ranked], leave_out=self.personal)

    def _rung(self, name: str, asked: str, found: str, *figures: Evidence | None) -> None:
        self.path.append(Rung(name, asked, found, tuple(each for each in figures if each is not None)))

    def _data(self) -> Diagnosis | None:
        bugs = find_data_bugs(self.reference, self.production, units=self.units, limits=self.limits.bugs, subject=self.about["subject"])
        self._rung("data", "Is it a bug of the data?", "; ".join(map(str, bugs)) or "no bug found", *(bug.figure for bug in bugs))
        if not bugs:
            return None
        self.found["bugs"] = bugs
        return self._end(Cause.DATA_BUG, "; ".join(map(str, bugs)), columns=tuple(bug.column for bug in bugs))

    def _size(self) -> Diagnosis | None:
        least = self.limits.min_rows
        smallest = min(self.reference.n, self.production.n)
        self._rung("size", "Are there enough rows?", f"{self.reference.n} reference rows and {self.production.n} since, at least {least} needed")
        if smallest >= least:
            return None
        return self._end(Cause.UNDECIDED, f"n too small: {smallest} rows, {least} are needed", n_needed=least)

    def _rest(self) -> Diagnosis:
        limits = self.limits
        inputs = domain_test(self.reference, self.production, explain=False, **self.about)
        if inputs.p_value is not None and inputs.p_value <= limits.alpha:  # what is behind it costs as much again: only where there is something
            inputs = domain_test(self.reference, self.production, **self.about)
        self.found["inputs"] = inputs
        moved = inputs.p_value is not None and inputs.p_value <= limits.alpha
        self._rung(
            "inputs",
            "Can a classifier tell production from the reference?",
            f"{'yes' if moved else 'no'}, {_p(inputs.p_value)}" if inputs.p_value is not None else "not assessable",
            inputs.auc,
        )
        watched = self.reference.decisions is not None and self.production.decisions is not None
        drop = self._estimate(inputs, moved) if watched and self.reference.scores is not None and self.production.scores is not None else None
        labelled = watched and self.labelled >= limits.min_rows
        if watched and self.production.known.any():
            realised = realised_performance(self.production, **self.about)
            self.found["realised"] = realised
            self._rung("realised", "What do the labels say?", f"{realised.known} of {realised.n} rows have a label", realised.figure(limits.metric))
        if not labelled:
            self.notes.append(BLIND)
            return self._without_labels(inputs, moved, drop)
        return self._with_labels(inputs, moved, drop)

    def _estimate(self, inputs: DomainTest, moved: bool) -> Evidence:
        estimate = estimate_performance(
            self.reference, self.production, domain=inputs if moved else None, min_rows=self.limits.min_rows, **self.training, **self.about
        )
        self.found["estimate"] = estimate
        drop = estimate.drop(self.limits.metric)
        found = f"refused: {'; '.join(estimate.refusals)}" if estimate.refusals else f"{self.limits.metric} expected to {_fall(drop.estimate or 0.0)}"
        self._rung("estimate", "How much should performance have fallen?", found, estimate.figure(self.limits.metric), drop)
        return drop

    def _without_labels(self, inputs: DomainTest, moved: bool, drop: Evidence | None) -> Diagnosis:
        if not moved:
            return self._nothing(inputs)
        shift = self._labels()
        prior = shift.estimated_prior if shift is not None else None
        if prior is not None and prior.estimate is not None:
            self.notes.append(
                f"if this is label shift, the share of positives is {prior.estimate:.1%} now: without labels the two cannot be told apart for sure"
            )
        return self._covariate(inputs, drop)

    def _nothing(self, inputs: DomainTest) -> Diagnosis:
        limit = self.limits.negligible_auc
        if inputs.auc.upper is not None and inputs.auc.upper < limit:
            return self._end(Cause.NOTHING, f"no change found, and a domain AUC of {limit:g} or more is ruled out")
        return self._end(
            Cause.UNDECIDED, f"n too small: no change found, but a domain AUC of {limit:g} is not ruled out", n_needed=n_needed(inputs.auc, limit)
        )

    def _covariate(self, inputs: DomainTest, drop: Evidence | None) -> Diagnosis:
        limits = self.limits
        columns = _behind(inputs)
        if drop is None:
            return self._end(Cause.UNDECIDED, "the inputs moved; without scores nobody can say whether it hurts", columns=columns)
        if drop.estimate is None or drop.lower is None or drop.upper is None:
            return self._end(Cause.UNDECIDED, f"the inputs moved; whether it hurts is not assessable: {drop.reason}", columns=columns)
        said = f"{limits.metric} {'falls' if drop.estimate > 0 else 'rises'} by {abs(drop.estimate):.3f} [{drop.lower:.3f}, {drop.upper:.3f}]"
        if drop.lower > 0 and drop.estimate >= limits.harm:
            return self._end(Cause.COVARIATE_HARMFUL, f"the inputs moved to where the model is worse: {said}, limit {limits.harm:g}", columns=columns)
        if drop.upper < limits.harm:
            return self._end(Cause.COVARIATE_HARMLESS, f"the inputs moved and it does not hurt: {said}, limit {limits.harm:g}", columns=columns)
        return self._end(
            Cause.UNDECIDED,
            f"n too small: the inputs moved, and whether it hurts is not decided: {said}, limit {limits.harm:g}",
            columns=columns,
            n_needed=n_needed(drop, limits.harm),
        )

    def _labels(self) -> LabelShift | None:
        if self.reference.decisions is None or self.production.decisions is None:
            return None
        shift = label_shift(self.reference, self.production, **self.about)
        self.found["labels"] = shift
        p = shift.p_x_given_y
        self._rung(
            "label shift",
            "Did the share of positives change while each class looks as it did?",
            f"P(X | Y) unchanged: {_p(p)}" if p is not None else "not assessable without labels of both classes",
            shift.prior_change,
            shift.estimated_prior,
        )
        return shift

    def _with_labels(self, inputs: DomainTest, moved: bool, drop: Evidence | None) -> Diagnosis:
        limits = self.limits
        parts = decompose(self.reference, self.production, domain=inputs, **self.about)
        self.found["parts"] = parts
        changed = parts.p_value is not None and parts.p_value <= limits.alpha
        self._rung(
            "truth given inputs",
            "Did the truth about the same inputs change?",
            f"{'yes' if changed else 'no'}, {_p(parts.p_value)}, most along: {parts.along}" if parts.p_value is not None else "not assessable",
            parts.total,
            parts.covariate,
            parts.concept,
        )
        shift = self._labels()
        prior = shift.prior_change if shift is not None else None
        prior_moved = bool(
            prior
            and prior.lower is not None
            and prior.upper is not None
            and prior.lower * prior.upper > 0
            and abs(prior.estimate or 0) >= limits.prior
        )
        same_classes = None if shift is None else shift.p_x_given_y
        if not changed:
            return self._same_truth(inputs, moved, drop, parts, prior_moved, same_classes)
        return self._other_truth(inputs, parts, prior, prior_moved, same_classes)

    def _same_truth(
        self, inputs: DomainTest, moved: bool, drop: Evidence | None, parts: Decomposition, prior_moved: bool, same_classes: float | None
    ) -> Diagnosis:
        limits = self.limits
        if prior_moved and same_classes is not None and same_classes > limits.alpha:
            return self._end(
                Cause.UNDECIDED,
                "n too small: the share of positives changed; whether by other inputs or by label shift is not decided",
                columns=_behind(inputs) if moved else (),
                n_needed=4 * self.labelled,
            )
        found = self._covariate(inputs, drop) if moved else self._nothing(inputs)
        concept = parts.concept
        if concept.lower is None or concept.upper is None or found.cause is Cause.UNDECIDED:
            return found
        if found.cause is Cause.COVARIATE_HARMFUL:
            if parts.covariate.lower is not None and parts.covariate.lower <= 0:
                return self._end(
                    Cause.UNDECIDED,
                    f"n too small: {limits.metric} was expected to fall, and the labels do not show it yet",
                    columns=found.columns,
                    n_needed=n_needed(parts.covariate, 0.0),
                )
            return found
        wide = max(-concept.lower, concept.upper)
        if wide <= limits.tolerable:
            return found
        return self._end(
            Cause.UNDECIDED,
            f"n too small: no change of the truth found, but a concept part of {wide:.3f} is not ruled out (limit {limits.tolerable:g})",
            columns=found.columns,
            n_needed=n_needed(concept, limits.tolerable if concept.upper == wide else -limits.tolerable),
        )

    def _other_truth(
        self, inputs: DomainTest, parts: Decomposition, prior: Evidence | None, prior_moved: bool, same_classes: float | None
    ) -> Diagnosis:
        limits = self.limits
        if prior_moved and prior is not None and same_classes is not None and same_classes > limits.alpha:
            before, after = prior.detail["before"], prior.detail["after"]
            said = f"positives were {before:.1%} and are {after:.1%}"
            if same_classes >= limits.explains:
                return self._end(Cause.LABEL_SHIFT, f"{said}, and each class looks as it did ({_p(same_classes)})", columns=_behind(inputs))
            return self._end(
                Cause.UNDECIDED,
                f"n too small: {said}; whether label shift explains it all is not decided (test of P(X | Y): {_p(same_classes)})",
                n_needed=2 * self.labelled,
            )
        concept = parts.concept
        size = concept.estimate or 0.0
        along = () if parts.along in (None, "everywhere", "score") else (str(parts.along),)
        if concept.lower is not None and concept.upper is not None and abs(size) >= limits.material:
            return self._end(
                Cause.CONCEPT,
                f"the same inputs mean something else now ({_p(parts.p_value)}): their error rate changed by {size:+.3f} "
                f"[{concept.lower:.3f}, {concept.upper:.3f}], most along {parts.along}",
                columns=along,
            )
        return self._end(
            Cause.UNDECIDED,
            f"the truth about the same inputs changed ({_p(parts.p_value)}), but the error rate by {size:+.3f} only (limit {limits.material:g})",
            columns=along,
            n_needed=n_needed(concept, limits.material),
        )


def _behind(inputs: DomainTest) -> tuple[str, ...]:
    """Columns that carry the test: at least a fifth of what the first does."""
    ranked: tuple[Contribution, ...] = inputs.columns
    if not ranked or ranked[0].importance <= 0:
        return tuple(each.column for each in ranked[:1])
    return tuple(each.column for each in ranked if each.importance >= 0.2 * ranked[0].importance)[:10]


def _p(value: float | None) -> str:
    """A p-value in words: a test on a finite sample never shows that something is impossible."""
    if value is None:
        return "p not assessable"
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _fall(amount: float) -> str:
    return f"{'fall' if amount >= 0 else 'rise'} by {abs(amount):.3f}"
