"""Quality gates: a table is checked against its contract and its own history before anything uses it.

:func:`compile_checks` turns all checks of a contract, and a small profile of every column, into one Polars select; :func:`run_gate` runs it, names
failing rows, and compares the profile with the accepted **history** of the dataset: limits are learned (effect sizes, seasonal baseline, floors,
false-discovery control) and not guessed. The verdict is pass, fail, inconclusive (too little to tell, and how much would do) or not assessable.

:func:`gate_version` keeps the report and enters it in the ledger; :func:`require_passed` is the door: what has not passed is refused.
:func:`accept_as_normal` is how a person, never a machine, says that a change is the new normal.
"""

from pilotage.core import require

require("polars", extra="tables")

from pilotage.data.quality.accepting import accept_as_normal  # noqa: E402
from pilotage.data.quality.compiling import CompiledCheck, CompiledChecks, compile_checks  # noqa: E402
from pilotage.data.quality.condition import Condition, parse_condition  # noqa: E402
from pilotage.data.quality.gating import gate_batch, gate_version, require_passed  # noqa: E402
from pilotage.data.quality.keeping import HistoryEntry, attach_report, gate_of, history, history_of, load_report  # noqa: E402
from pilotage.data.quality.learning import Accepted, History, compare  # noqa: E402
from pilotage.data.quality.policy import Limits  # noqa: E402
from pilotage.data.quality.profile import ColumnProfile, Profile  # noqa: E402
from pilotage.data.quality.report import Acceptance, CheckResult, FailingRow, GateReport  # noqa: E402
from pilotage.data.quality.running import run_gate  # noqa: E402

__all__ = [
    "Acceptance",
    "Accepted",
    "CheckResult",
    "ColumnProfile",
    "CompiledCheck",
    "CompiledChecks",
    "Condition",
    "FailingRow",
    "GateReport",
    "History",
    "HistoryEntry",
    "Limits",
    "Profile",
    "accept_as_normal",
    "attach_report",
    "compare",
    "compile_checks",
    "gate_batch",
    "gate_of",
    "gate_version",
    "history",
    "history_of",
    "load_report",
    "parse_condition",
    "require_passed",
    "run_gate",
]
