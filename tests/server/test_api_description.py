"""The API keeps what its document says: every operation is described, and answers as described to whatever it is sent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from pilotage import people
from pilotage.judging import Question, Rubric
from pilotage.ledger import open_workspace
from pilotage.review.projects import ProjectSettings, create_project
from pilotage.server import create_app
from pilotage.store import Workspace

schemathesis: Any = pytest.importorskip("schemathesis")

EXAMPLES = 3  # of each operation, good and bad: more on a quiet machine
PASSWORD = "correct horse battery staple"


def opened(blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("described") / "workspace"
    shutil.copytree(blank, folder)
    return open_workspace(folder, actor="ada")


METHODS = ("get", "put", "post", "delete", "patch")


@pytest.fixture(scope="module")
def document(blank: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with opened(blank, tmp_path_factory) as workspace:
        return create_app(workspace).openapi()


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
            if code.startswith(("4", "5")):
                (content,) = answer["content"].values()
                assert content["schema"]["$ref"].endswith("/Problem"), f"{name} {code}"
        assert {"401", "422"} <= set(told["responses"]), name
    assert seen > 30 and {"bearer"} == set(document["components"]["securitySchemes"])


def test_operation_names_are_plain_and_unique(document: dict[str, Any]) -> None:
    names = [told["operationId"] for _, told in operations(document)]
    assert len(set(names)) == len(names) and all(name.isidentifier() and "__" not in name for name in names)


@pytest.fixture(scope="module")
def described(blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The application over a workspace with a project, and the token of somebody who holds every role."""
    with opened(blank, tmp_path_factory) as workspace:
        rubric = Rubric("tone", (Question("polite", "Is it polite?", "bool"),), "Polite is polite.")
        create_project(workspace, ProjectSettings(name="nothing"), rubric=rubric)
        account = people.add_account(workspace, login="root", roles=list(people.ROLES), password=PASSWORD)
        token = people.issue_token(workspace, account, name="program").token
        app = create_app(workspace, allowed_hosts=["testserver"])
        yield schemathesis.openapi.from_asgi("/api/openapi.json", app, headers={"authorization": f"Bearer {token}"}), token


def test_no_request_breaks_the_api_and_every_answer_is_as_described(described: Any) -> None:
    """Sends what fits the description and what does not. A cleanly refused request is an answer; a server error, or one not described, is not."""
    api, token = described
    registry = schemathesis.checks.CHECKS
    names = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
    checks = [check for check in registry.get_all() if check.__name__ in names]
    assert len(checks) == len(names)
    broken: list[str] = []
    for result in api.get_all_operations():
        operation = result.ok()
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            try:
                _try(operation, mode, token, checks)
            except (Exception, BaseExceptionGroup) as error:  # every operation is tried before the test fails
                if "Unsatisfiable" not in type(error).__name__:  # nothing to get wrong here
                    broken.append(f"{operation.label} ({mode.name.lower()}): {_told(error)}")
    assert not broken, "\n".join(broken)


def _try(operation: Any, mode: Any, token: str, checks: list[Any]) -> None:
    @seed(20261122)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def asked(case: Any) -> None:
        case.call_and_validate(headers={"authorization": f"Bearer {token}"}, checks=checks)

    asked()


def _told(error: BaseException) -> str:
    inner = getattr(error, "exceptions", None)
    return " | ".join(_told(each) for each in inner) if inner else str(error)[:1500]
