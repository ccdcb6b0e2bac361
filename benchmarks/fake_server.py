"""A fake OpenAI server for benchmarks: its own process, raw asyncio, a fixed latency, and a count of how many requests it holds at once.

    python benchmarks/fake_server.py PORT LATENCY_MS      (port 0: any; the port is printed)

``POST …/chat/completions`` answers after the latency; ``GET …/models`` lists the model ``fake``; ``GET /stats`` gives what it has seen
since it was last asked, as {"requests", "max_in_flight"}. Costs about 40 µs of processor time a request, outside what is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys

_REPLY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "fake",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Our return window is 30 days from delivery."}, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50},
    }
).encode()
_MODELS = json.dumps({"object": "list", "data": [{"id": "fake", "object": "model", "created": 1, "owned_by": "benchmarks"}]}).encode()


def _http(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Stats:
    """What the server has seen since it was last asked."""

    def __init__(self) -> None:
        self.requests = 0
        self.in_flight = 0
        self.max_in_flight = 0

    def take(self) -> bytes:
        said = json.dumps({"requests": self.requests, "max_in_flight": self.max_in_flight}).encode()
        self.requests, self.max_in_flight = 0, self.in_flight
        return said


class Server(asyncio.Protocol):
    """One connection: requests one after the other, as HTTP/1.1 clients send them."""

    def __init__(self, stats: Stats, latency_s: float) -> None:
        self.stats = stats
        self.latency_s = latency_s
        self.buffer = b""
        self.transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            length = 0
            for line in head.split(b"\r\n")[1:]:
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            self.request(head.split(b" ", 2)[1])

    def request(self, path: bytes) -> None:
        if path.endswith(b"/completions"):
            stats = self.stats
            stats.requests += 1
            stats.in_flight += 1
            stats.max_in_flight = max(stats.max_in_flight, stats.in_flight)
            asyncio.get_running_loop().call_later(self.latency_s, self.answer)
        elif path.endswith(b"/models"):
            self.transport.write(_http(_MODELS))
        else:
            self.transport.write(_http(self.stats.take()))

    def answer(self) -> None:
        self.stats.in_flight -= 1
        if not self.transport.is_closing():
            self.transport.write(_http(_REPLY))


async def main(port: int, latency_ms: float) -> None:
    stats = Stats()
    server = await asyncio.get_running_loop().create_server(lambda: Server(stats, latency_ms / 1000), "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
