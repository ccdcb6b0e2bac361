"""The review queue beside Label Studio; see ``review_queue.py``, whose command line this is.

    python benchmarks/queue.py [--n 3] [--items 20000] [--million 1000000] [--label-studio /path/to/label-studio]

This file has the name of a module of the standard library and lies where Python looks first when a benchmark is run, so it steps aside for it.
"""

import importlib.util
import sys
import sysconfig
from pathlib import Path

spec = importlib.util.spec_from_file_location("queue", Path(sysconfig.get_path("stdlib")) / "queue.py")
assert spec is not None and spec.loader is not None
sys.modules["queue"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["queue"])

if __name__ == "__main__":
    import review_queue

    review_queue.main()
