"""``python -m pilotage.practice.serve --port N --model FOLDER``: the practice assistant in the foreground, until it is interrupted."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from pilotage.core import PilotageError
from pilotage.practice.service import serve
from pilotage.practice.training import base_model


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM. Prints the address as the first line, once it listens."""
    parser = argparse.ArgumentParser(prog="python -m pilotage.practice.serve", description="Serve the practice assistant on loopback.")
    parser.add_argument("--port", type=int, default=8400, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--model", type=Path, required=True, help="the folder of a model version; the first version is made there if there is none")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="wait this long before every answer")
    options = parser.parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with serve(base_model(options.model), port=options.port, latency_s=options.latency_ms / 1000) as serving:
            print(serving.url, flush=True)
            stopped.wait()
    except PilotageError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
