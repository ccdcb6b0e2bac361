"""The API keeps what its document says: every operation is described, and answers as described to whatever it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from pilotage import people
from pilotage.server import create_app
from pilotage.store import Workspace

schemathesis: Any = pytest.importorskip("schemathesis")

PASSWORD = "correct horse battery staple"
METHODS = ("get", "put", "post", "delete", "patch")


@pytest.fixture(scope="module")
def document(looked_at: Workspace) -> dict[str, Any]:
    return create_app(looked_at).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def test_every_operation_says_what_it_is_and_how_it_fails(document: dict[str, Any]) -> None:
    seen = 0
    for name, told in operations(document):
        seen += 1
        assert told.get("tags") and told.get("summary") and told.get("description"), name
        for code, answer in told["responses"].items():
            if code.startswith("4") or code.startswith("5"):
                (content,) = answer["content"].values()
                assert content["schema"]["$ref"].endswith("/Problem"), f"{name} {code}"
        assert {"401", "422"} <= set(told["responses"]), name
    assert seen > 30 and {"bearer"} == set(document["components"]["securitySchemes"])


def test_operation_names_are_plain_and_unique(document: dict[str, Any]) -> None:
    names = [told["operationId"] for _, told in operations(document)]
    assert len(set(names)) == len(names) and all(name.isidentifier() and "__" not in name for name in names)


@pytest.fixture(scope="module")
def described(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The application over a copy of the filled workspace, and the headers of somebody who holds every role."""
    import shutil

    from pilotage.ledger import open_workspace

    folder = tmp_path_factory.mktemp("described") / "workspace"
    shutil.copytree(made.folder, folder)
    with open_workspace(folder, actor="ada") as workspace:
        account = people.add_account(workspace, login="root", roles=list(people.ROLES), password=PASSWORD)
        token = people.issue_token(workspace, account, name="program").token
        yield schemathesis.openapi.from_asgi("/api/openapi.json", create_app(workspace), headers={"authorization": f"Bearer {token}"}), token


schema = schemathesis.pytest.from_fixture("api")


@pytest.fixture
def api(described: Any) -> Any:
    return described[0]


@schema.parametrize()
@settings(
    max_examples=8,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_no_request_breaks_the_api_and_every_answer_is_as_described(case: Any, described: Any) -> None:
    """Sends what fits the description and what does not. A cleanly refused request is an answer; a server error, or one not described, is not."""
    checks = schemathesis.checks
    kept = [checks.not_a_server_error, checks.CHECKS.get_one("status_code_conformance")]
    kept += [checks.CHECKS.get_one(name) for name in ("content_type_conformance", "response_schema_conformance")]
    case.call_and_validate(headers={"authorization": f"Bearer {described[1]}"}, checks=kept)
