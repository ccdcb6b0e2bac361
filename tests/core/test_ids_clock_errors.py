import re
import subprocess
import sys

from pilotage.core import ManualClock, PilotageError, iso, new_id


def test_ids_sort_by_the_time_they_were_made():
    clock = ManualClock()
    made = []
    for _ in range(50):
        made.append(new_id("run", clock=clock))
        clock.advance(0.001)
    assert made == sorted(made)
    assert len(set(made)) == 50


def test_ids_made_in_the_same_moment_differ():
    clock = ManualClock()
    assert len({new_id("x", clock=clock) for _ in range(1000)}) == 1000


def test_an_id_is_plain_text_of_known_shape():
    assert re.fullmatch(r"run_[0-9A-HJKMNP-TV-Z]{26}", new_id("run"))


def test_time_is_shown_as_iso_8601_utc():
    assert iso(1_700_000_000_123_456) == "2023-11-14T22:13:20.123Z"


def test_an_error_says_what_where_why_and_how_to_mend_it():
    error = PilotageError("No such key.", where="pilot.yaml:3", why="it would be ignored", mend="remove it")
    assert str(error) == "No such key.\n  where: pilot.yaml:3\n  why: it would be ignored\n  mend: remove it"
    assert error.to_dict()["where"] == "pilot.yaml:3"


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, pilotage; print(sorted(m for m in sys.modules if m.split('.')[0] in {'numpy','sqlalchemy','aiohttp','pydantic','fastapi'}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
