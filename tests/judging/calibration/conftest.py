"""What the tests of calibration share: worlds whose truth is known (``worlds.py``)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
