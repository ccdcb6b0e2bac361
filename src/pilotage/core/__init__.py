"""Floor 0: what every room stands on. Ids, canonical JSON, digests, the clock, errors, settings, progress. It imports no other room."""

from pilotage.core.canonical import Json, MultisetDigest, canonical_json, digest, sha256_hex
from pilotage.core.clock import MICROSECONDS, Clock, ManualClock, SystemClock, iso, parse_moment
from pilotage.core.declared import Declared, fit, parse_declared, read_declared
from pilotage.core.durations import format_duration, parse_duration
from pilotage.core.errors import Conflict, InputError, IntegrityError, NotFound, PilotageError, Refused, Unavailable
from pilotage.core.extras import require
from pilotage.core.ids import content_id, earliest_id, new_id
from pilotage.core.progress import LogProgress, Progress, SilentProgress, Step, TeeProgress, describe
from pilotage.core.settings import Settings, load_settings
from pilotage.core.spreadsheets import as_text_cell

__all__ = [
    "MICROSECONDS",
    "Clock",
    "Conflict",
    "Declared",
    "InputError",
    "IntegrityError",
    "Json",
    "LogProgress",
    "ManualClock",
    "MultisetDigest",
    "NotFound",
    "PilotageError",
    "Progress",
    "Refused",
    "Settings",
    "SilentProgress",
    "Step",
    "SystemClock",
    "TeeProgress",
    "Unavailable",
    "as_text_cell",
    "canonical_json",
    "content_id",
    "describe",
    "digest",
    "earliest_id",
    "fit",
    "format_duration",
    "iso",
    "load_settings",
    "new_id",
    "parse_declared",
    "parse_duration",
    "parse_moment",
    "read_declared",
    "require",
    "sha256_hex",
]
