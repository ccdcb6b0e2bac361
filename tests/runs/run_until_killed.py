"""Runs a plan and says what is durable, line by line, until somebody kills it. Started by the crash test, as a process of its own.

python run_until_killed.py WORKSPACE SAMPLES REPLY_MS
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from pilotage.ledger import create_workspace
from pilotage.models import Limits, Request, TargetConfig, open_client, register_target
from pilotage.runs import Output, Plan, outbox, run, sample_spec

outbox.LINGER_S = 0.01  # a commit every moment, so that kills fall into them


def told(batch: Sequence[Output]) -> None:
    for output in batch:
        sys.stdout.write(f"durable {output.sample_id}\n")
    sys.stdout.flush()


async def main(location: str, n: int, reply_ms: float) -> None:
    async def answer(request: Request) -> str:
        await asyncio.sleep(reply_ms / 1000)
        return f"re: {request.messages[-1].content}"

    answer.fingerprint = "v1"  # type: ignore[attr-defined]
    with create_workspace(location) as workspace:
        config = TargetConfig(name="t", kind="callable", model="f", owner="the tests", authorisation="our own", limits=Limits(in_flight=8))
        target = register_target(workspace, config)
        async with open_client(target, workspace, callables={"f": answer}) as client:
            fingerprint = await client.fingerprint()
            samples = tuple(
                sample_spec(f"item-{i}", fingerprint=fingerprint, spec={"messages": [{"role": "user", "content": f"question {i}"}]}) for i in range(n)
            )
            sys.stdout.write("started\n")
            sys.stdout.flush()
            report = await run(workspace, Plan("evaluation", "pilot", target.id, fingerprint, (), samples), client=client, on_durable=told)
    sys.stdout.write(f"end {report.state} {report.executed} {report.reused}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
