"""Where the workbench may listen, and what its log does not say."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pilotage.cli.main import app
from pilotage.cli.server import is_loopback, web_server
from pilotage.core import Refused
from pilotage.ledger import create_workspace
from pilotage.people import has_accounts

BEYOND = [
    *("0.0.0.0", "::", "0", "127.1", "2130706433", "0x7f.1", "::ffff:0.0.0.0", "1host", "host.test"),
    *("localhost.evil.test", "127.0.0.1.evil.test", "[::1]"),
]


@pytest.mark.parametrize("host", BEYOND)
def test_without_accounts_it_listens_on_loopback_only(tmp_path: Path, host: str) -> None:
    done = CliRunner().invoke(app, ["--workspace", str(tmp_path / "w"), "serve", "--host", host, "--port", "0"])
    assert isinstance(done.exception, Refused) and "without accounts" in str(done.exception)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_is_known_as_such(host: str) -> None:
    assert is_loopback(host)


def test_no_request_is_logged_with_its_token_and_nobody_may_say_who_they_are(tmp_path: Path) -> None:
    with create_workspace(tmp_path / "w") as workspace:
        server = web_server(workspace, host="127.0.0.1", port=0, allowed_hosts=[], ready=lambda _: None)
        assert not has_accounts(workspace)
        behind_proxy = web_server(workspace, host="127.0.0.1", port=0, allowed_hosts=["pilots.test"], ready=lambda _: None)
    assert behind_proxy.config.proxy_headers and not server.config.proxy_headers
    assert server.config.access_log is False and not server.config.server_header
