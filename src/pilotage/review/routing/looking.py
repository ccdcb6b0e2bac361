"""Taking a look: a kept sample is split, a recalibrator fitted on one part, the other part certifies, and the report is kept as the next look.

To see a verdict is to have looked, so looking and keeping are one act: whoever could look first and keep what pleased would spend no alpha.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pilotage.core import InputError
from pilotage.people import require
from pilotage.people.permissions import Roles
from pilotage.review.routing.reporting import StoredReport, next_look, store_report
from pilotage.review.routing.samples import put_sample
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.judging.calibration import Costs, Limits, Sample


def take_look(
    workspace: Workspace,
    sample: Sample,
    *,
    category: str,
    prompt: str = "",
    limits: Limits,
    costs: Costs | None = None,
    fit_share: float = 0.3,
    person: Roles,
    seed: int = 0,
) -> StoredReport:
    """Report on ``sample`` (raw confidence, with ids) as the next look at its model, whatever look ``limits`` says, and keep it with what certified.

    Raises
    ------
    InputError
        If ``fit_share`` is not within (0, 1).
    Refused
        If the person may not run, or one of the parts is too small: 100 items to fit on, 500 to certify.
    Conflict
        If somebody else took this look meanwhile.
    """
    import numpy as np

    from pilotage.judging.calibration import calibration_report, recalibrate

    require(person, "run")
    if not 0 < fit_share < 1:
        raise InputError("Nothing would be left to fit on, or to certify with.", where="fit_share", mend="a share between 0 and 1, such as 0.3")
    order = np.random.default_rng(seed).permutation(sample.n)
    cut = round(sample.n * fit_share)
    certifying = sample.where(np.sort(order[cut:]))
    certifying.enough()
    curve = recalibrate(sample.where(np.sort(order[:cut])), seed=seed)
    look = next_look(workspace, category=category, model=sample.model, prompt=prompt)
    report = calibration_report(certifying, limits=replace(limits, look=look, only_look=False), recalibrator=curve, costs=costs, seed=seed)
    stored = store_report(workspace, report, category=category, recalibrator=curve, prompt=prompt, person=person)
    put_sample(workspace, certifying)
    return stored
