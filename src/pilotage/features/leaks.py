"""The leak probe: are the features of a training set those that would have been served?

Each view is computed twice for the same rows: *offline*, as it claims its rows are known, and *as served*, by the times of the source's contract and
of the label. Features that differ are leaks of one of three kinds, each with the share of rows it touches:

* ``own label in the window``: a feature that reads the label counts the row that is to be predicted;
* ``label without its delay``: it counts labels of other rows before they were known;
* ``not yet available``: it is computed from rows that were not available at the moment.

``duplicate of the label`` is a feature that tells the label by itself, value by value.

What it costs is then measured: a model (histogram gradient boosting, seeded) learns from the offline features of the earlier rows and is scored on
later rows twice, on their offline features and on the features as served. The gap is what would have been promised and not kept; its interval is a
percentile bootstrap over the scored rows, which are paired. Without a leak the two are the same numbers and the gap is exactly 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from pilotage.core import InputError, parse_duration
from pilotage.features.definition import FeatureView
from pilotage.features.point_in_time import point_in_time
from pilotage.features.rows import microseconds
from pilotage.features.training_set import Label

if TYPE_CHECKING:
    from pilotage.data.contracts import Contract
    from pilotage.store import Workspace

OWN_LABEL: Final = "own label in the window"
LABEL_DELAY: Final = "label without its delay"
NOT_AVAILABLE: Final = "not yet available"
DUPLICATE: Final = "duplicate of the label"
DUPLICATE_SHARE: Final = 0.999
FOLDS: Final = 3
PROBED: Final = "features.probed"
REPLICATES: Final = 1_000
FEWEST_ROWS: Final = 200
_SERVED_AT = "__served_at"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """An estimate with its 95 % interval, of ``n`` scored rows."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True)
class Leak:
    """One feature that knows too much. ``rows`` of ``n`` have another value than they would have been served."""

    kind: str
    feature: str
    rows: int
    n: int
    why: str

    @property
    def share(self) -> float:
        """The share of rows it touches."""
        return self.rows / self.n


@dataclass(frozen=True)
class LeakReport:
    """What the probe found.

    ``verdict`` is pass (no leak), leak, or not_assessable with its ``reason``. ``metric`` is auc for a label of two values, r2 for numbers;
    ``offline`` and ``served`` are its scores and ``gap`` the difference, None where no model could be scored.
    """

    verdict: Literal["pass", "leak", "not_assessable"]
    leaks: tuple[Leak, ...]
    metric: str
    offline: Score | None
    served: Score | None
    gap: Score | None
    n: int
    seed: int
    reason: str = ""

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {len(self.leaks)} leaks in {self.n} rows" + (f" ({self.reason})" if self.reason else "")]
        lines += [f"  {each.kind}: {each.feature}, {each.rows} of {each.n} rows; {each.why}" for each in self.leaks]
        if self.gap is not None:
            lines.append(f"  {self.metric} offline {self.offline}, as served {self.served}, gap {self.gap}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        scores = {name: None if (score := getattr(self, name)) is None else vars(score) for name in ("offline", "served", "gap")}
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "leaks": [{**vars(each), "share": each.share} for each in self.leaks],
            "metric": self.metric,
            "n": self.n,
            "seed": self.seed,
            **scores,
        }


@dataclass(frozen=True)
class ProbedView:
    """A view as it is claimed, its source's rows, and the truth about them.

    available_time, available_lag
        When the rows really become available: the contract's. label
        Where the source holds the label's column: when that value becomes known. None: it does not.
    """

    view: FeatureView
    source: pl.DataFrame
    available_time: str | None = None
    available_lag: str | None = None
    label: Label | None = None


def probe_leaks(spine: pl.DataFrame, views: Sequence[ProbedView], *, time: str, label: Label, extra: Sequence[str] = (), seed: int = 0) -> LeakReport:
    """Probe the features of ``views`` for the rows of ``spine``, and its own columns ``extra``.

    Parameters
    ----------
    spine
        Rows with the views' entities, a moment and the label. Rows without a label are left out.
    extra
        Columns of the spine that a model would learn from as they are: only looked at for duplicates of the label.
    seed
        Of the model and the bootstrap; the same seed gives the same report.

    Raises
    ------
    InputError
        If columns are missing or do not fit.

    Cost: six point-in-time joins a view at most, four small models.
    """
    if label.column not in spine.columns:
        raise InputError(f"The spine has no column '{label.column}'.", mend=f"its columns are: {', '.join(spine.columns)}")
    spine = spine.filter(pl.col(label.column).is_not_null())
    moments = microseconds(spine, time, what="spine")
    spine = spine[np.argsort(moments, kind="stable")]
    target = spine[label.column].cast(pl.Float64).to_numpy()
    offline: dict[str, pl.Series] = {name: spine[name] for name in extra}
    served: dict[str, pl.Series] = dict(offline)
    leaks: list[Leak] = []
    for each in views:
        claimed, true, found = _compare(spine, each, time=time)
        leaks += found
        offline.update(claimed)
        served.update(true)
    leaks += [_duplicate(name, series, target) for name, series in offline.items() if _tells(series, target)]
    metric = "auc" if len(np.unique(target)) == 2 else "r2"
    reason = _not_scorable(target)
    if reason:
        verdict: Literal["leak", "not_assessable"] = "leak" if leaks else "not_assessable"
        return LeakReport(verdict, tuple(leaks), metric, None, None, None, spine.height, seed, reason)
    offline_score, served_score, gap = _scores(_matrix(offline), _matrix(served), target, metric=metric, seed=seed)
    return LeakReport("leak" if leaks else "pass", tuple(leaks), metric, offline_score, served_score, gap, spine.height, seed)


def probe_training_set(workspace: Workspace, ref: str, *, seed: int = 0, keep: bool = False) -> LeakReport:
    """Probe a training set that was built: its spine, views and sources as its record names them, the truth from the sources' contracts.

    ``keep`` writes the report into the ledger, under the version's id.
    """
    from pilotage.data import load_version
    from pilotage.data.tabular import contract_of_version, scan
    from pilotage.features.registry import registered_view
    from pilotage.features.training_set import load_training_set

    made = load_training_set(workspace, ref)
    record = made.record
    label = Label(**record["label"])
    spine = scan(workspace, record["spine"]["id"]).collect()
    spine_version = load_version(workspace, record["spine"]["id"])
    probed = []
    for each in record["views"]:
        view = registered_view(workspace, each["hash"]).view
        version = load_version(workspace, each["source"]["id"])
        contract = contract_of_version(version)
        own = label if version.dataset == spine_version.dataset else None
        columns = _needed(view, contract, own)
        probed.append(ProbedView(view, scan(workspace, version.id, columns=columns).collect(), contract.available_time, contract.available_lag, own))
    report = probe_leaks(spine, probed, time=record["time"], label=label, seed=seed)
    if keep:
        from pilotage.ledger import record as write_down

        body = {"report": _exact(report.to_dict())}
        workspace.write(lambda tx: write_down(tx, type=PROBED, subject=made.version.id, body=body))
    return report


def _exact(value: Any) -> Any:
    """Plain data with its floats as text, all digits: the ledger takes no floats."""
    if isinstance(value, dict):
        return {name: _exact(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_exact(each) for each in value]
    return repr(value) if isinstance(value, float) else value


def _needed(view: FeatureView, contract: Contract, label: Label | None) -> list[str]:
    more = [contract.available_time] if contract.available_time else []
    more += [label.available_time] if label is not None and label.available_time else []
    return list(dict.fromkeys([*view.source_columns(), *more]))


def _compare(spine: pl.DataFrame, probed: ProbedView, *, time: str) -> tuple[dict[str, pl.Series], dict[str, pl.Series], list[Leak]]:
    """The view's features as claimed and as served, and the leaks between them, each blamed on the first kind of truth that changes it."""
    view = probed.view
    names = {name: f"{view.name}.{name}" for name in view.features}
    needed = spine.select(list(dict.fromkeys([*view.entity, time, *view.request_inputs])))
    reading = {name for name, columns in view.lineage().items() if probed.label is not None and probed.label.column in columns}
    claimed = point_in_time(needed, probed.source, view, time=time)
    available = _at(probed, own_label=False)
    strict = point_in_time(needed, probed.source, replace(view, closed="left"), time=time) if view.closed == "right" else claimed
    honest = point_in_time(needed, *available, time=time)
    delayed = point_in_time(needed, *_at(probed, own_label=True), time=time) if reading else honest
    leaks: list[Leak] = []
    served: dict[str, pl.Series] = {}
    for name, shown in names.items():
        steps = [(strict, OWN_LABEL, "it counts the very row that is to be predicted")] if name in reading else []
        steps.append((honest, NOT_AVAILABLE, "it reads rows before they were available"))
        if name in reading:
            steps.append((delayed, LABEL_DELAY, "it reads the labels of other rows before they were known"))
        before = claimed[name]
        for frame, kind, why in steps:
            changed = (
                int((~before.eq_missing(frame[name])).sum()) if before.dtype.base_type() != pl.List else int(before.ne_missing(frame[name]).sum())
            )
            if changed:
                leaks.append(Leak(kind, shown, changed, spine.height, why))
            before = frame[name]
        served[shown] = before
    return {shown: claimed[name] for name, shown in names.items()}, served, leaks


def _at(probed: ProbedView, *, own_label: bool) -> tuple[pl.DataFrame, FeatureView]:
    """The source and the view with the true availability, and never before what the view itself claims; with ``own_label`` that of the label too."""
    from pilotage.features.rows import check_source

    view, source = probed.view, probed.source
    times = [pl.Series(check_source(source, view).available)]
    event = pl.Series(microseconds(source, view.event_time, what="source"))
    if probed.available_time is not None:
        times.append(source[probed.available_time].dt.cast_time_unit("us").to_physical())
    elif probed.available_lag is not None:
        times.append(event + parse_duration(probed.available_lag))
    label = probed.label
    if own_label and label is not None:
        if label.available_time is not None:
            # A label that is not known yet is known at no moment of the spine.
            known = source[label.available_time].dt.cast_time_unit("us").to_physical()
            times.append(known.fill_null(2**61))
        else:
            times.append(event + parse_duration(label.available_lag or "0s"))
    latest = pl.DataFrame({f"t{place}": series for place, series in enumerate(times)}).select(pl.max_horizontal(pl.all())).to_series()
    stamped = source.with_columns(latest.cast(pl.Datetime("us", "UTC")).alias(_SERVED_AT))
    closed = view.closed if not own_label and probed.label is None else "left"
    return stamped, replace(view, available_time=_SERVED_AT, available_lag=None, closed=closed)


def _tells(series: pl.Series, target: Floats) -> bool:
    """Whether nearly every value of the feature stands for one value of the label, far fewer values than rows."""
    if isinstance(series.dtype, pl.List) or len(np.unique(target)) < 2:
        return False
    frame = pl.DataFrame({"x": series, "y": target})
    groups = frame.group_by("x", "y").len().group_by("x").agg(pl.col("len").max().alias("most"), pl.col("len").sum().alias("all"))
    if groups.height > max(2, 2 * len(np.unique(target))) and not _same_number(series, target):
        return False
    return float(groups["most"].sum()) / len(target) >= DUPLICATE_SHARE and groups.height > 1


def _same_number(series: pl.Series, target: Floats) -> bool:
    """Whether a numeric feature is the label itself, scaled and shifted."""
    if not series.dtype.is_numeric() or series.null_count():
        return False
    x = series.cast(pl.Float64).to_numpy()
    if np.std(x) == 0 or np.std(target) == 0:
        return False
    return abs(float(np.corrcoef(x, target)[0, 1])) >= 1 - 1e-9


def _duplicate(name: str, series: pl.Series, target: Floats) -> Leak:
    return Leak(DUPLICATE, name, len(target), len(target), "it tells the label by itself")


def _not_scorable(target: Floats) -> str:
    if len(target) < FEWEST_ROWS:
        return f"{len(target)} rows are too few to score a model: {FEWEST_ROWS} are needed"
    if len(np.unique(target)) < 2:
        return "every row has the same label"
    return ""


def _matrix(features: Mapping[str, pl.Series]) -> Floats:
    """The features as floats: texts by their place among the sorted texts, lists by their length and first value, null as NaN for the model."""
    columns: list[Floats] = []
    for series in features.values():
        if isinstance(series.dtype, pl.List):
            columns += [series.list.len().cast(pl.Float64).to_numpy(), series.list.first().rank("dense").cast(pl.Float64).to_numpy()]
        elif series.dtype == pl.String:
            columns.append(series.rank("dense").cast(pl.Float64).to_numpy())
        else:
            columns.append((series.dt.epoch("us") if isinstance(series.dtype, pl.Datetime) else series).cast(pl.Float64).to_numpy())
    return np.column_stack(columns) if columns else np.zeros((0, 0))


def _scores(offline: Floats, served: Floats, target: Floats, *, metric: str, seed: int) -> tuple[Score, Score, Score]:
    """Forward in time: each fold learns from all rows before it. Only held-out rows are scored."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    made = HistGradientBoostingClassifier if metric == "auc" else HistGradientBoostingRegressor
    classes = np.unique(target)
    bounds = np.linspace(0, len(target), FOLDS + 2).astype(int)
    guesses: list[tuple[Floats, Floats, Floats]] = []
    for start, end in pairwise(bounds[1:]):
        if len(np.unique(target[:start])) < 2:
            continue
        model = made(max_iter=40, max_depth=4, early_stopping=False, random_state=seed)
        model.fit(offline[:start], target[:start])
        guess = (lambda x, fitted=model: fitted.predict_proba(x)[:, 1]) if metric == "auc" else model.predict
        guesses.append((target[start:end], np.asarray(guess(offline[start:end])), np.asarray(guess(served[start:end]))))
    truth, first, second = (np.concatenate(parts) for parts in zip(*guesses, strict=True))
    binary = (truth == classes[-1]).astype(float) if metric == "auc" else truth
    values = np.array([_score(binary, first, metric), _score(binary, second, metric)])
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(REPLICATES):
        rows = rng.integers(0, len(binary), len(binary))
        if metric == "r2" or 0.0 < binary[rows].mean() < 1.0:
            drawn.append((_score(binary[rows], first[rows], metric), _score(binary[rows], second[rows], metric)))
    replicates = np.array(drawn)
    n = len(binary)
    return (
        _interval(float(values[0]), replicates[:, 0], n),
        _interval(float(values[1]), replicates[:, 1], n),
        _interval(float(values[0] - values[1]), replicates[:, 0] - replicates[:, 1], n),
    )


def _interval(value: float, replicates: Floats, n: int) -> Score:
    low, high = np.quantile(replicates, [0.025, 0.975])
    return Score(value, float(low), float(high), n)


def _score(truth: Floats, guess: Floats, metric: str) -> float:
    """The area under the ROC curve (Mann-Whitney, ties by half), or the share of variance explained."""
    if metric == "r2":
        spread = float(((truth - truth.mean()) ** 2).sum())
        return 1.0 - float(((truth - guess) ** 2).sum()) / spread if spread else 0.0
    from scipy.stats import rankdata

    positive = truth == 1.0
    count, others = int(positive.sum()), int((~positive).sum())
    ranks = rankdata(guess)
    return (float(ranks[positive].sum()) - count * (count + 1) / 2) / (count * others)
