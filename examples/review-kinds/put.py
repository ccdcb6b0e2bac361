"""Put the items of this folder before people: one queue a kind of question.

    pilotage serve &                              # in a workspace of your own
    python examples/review-kinds/put.py WORKSPACE
    # then open /review/labels, /review/marks, /review/pair, /review/ranking …

Every rubric is a YAML file, its items a JSON-lines file beside it: ``{"id", "payload", "suggestion"?}``. All of it was written for this example.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pilotage.judging import Item, load_rubric_file
from pilotage.ledger import open_workspace
from pilotage.review import put_task
from pilotage.store import Workspace, WriteTransaction

HERE = Path(__file__).parent
KINDS = tuple(sorted(path.stem for path in HERE.glob("*.yaml")))


def put(workspace: Workspace, kind: str) -> int:
    """Put the items of one kind into the queue of its name; return how many there are."""
    rubric = load_rubric_file(HERE / f"{kind}.yaml")
    rows = [json.loads(line) for line in (HERE / f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()]

    def job(tx: WriteTransaction) -> None:
        for place, row in enumerate(rows):
            item = Item(kind="example", source_id=row["id"], payload=row["payload"])
            put_task(tx, kind, item, rubric, ["example"], suggestion=row.get("suggestion"), priority=len(rows) - place)

    workspace.write(job)
    return len(rows)


if __name__ == "__main__":
    with open_workspace(sys.argv[1], actor="example") as opened:
        for name in KINDS:
            print(f"{put(opened, name)} items in /review/{name}")
