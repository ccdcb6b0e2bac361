"""Turning values into pages. One Jinja environment, everything escaped, unknown names an error.

Model text, imports and attack seeds are data: no template marks any of it as safe.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from pilotage.server import words
from pilotage.server.context import visitor_of
from pilotage.server.navigation import navigate

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
STATIC = HERE / "static"
THEMES = ("light", "dark")


@cache
def environment() -> Environment:
    """The templates, with the filters of ``words.py``."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(words.FILTERS)
    made.globals["static"] = static_url
    made.globals["plain"] = words.plain
    return made


def static_url(name: str) -> str:
    """The address of a file of ours, with its digest, so that a browser never keeps an old one."""
    file = STATIC / name
    stamp = file.stat().st_mtime_ns if file.exists() else 0
    return f"/static/{name}?v={_digest(file, stamp)}"


@cache
def _digest(file: Path, _stamp: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12] if file.exists() else "missing"


def page(request: Request, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> HTMLResponse:
    """``template`` filled with ``values``.

    Every template also has: ``person`` (or None), ``csrf_token``, ``path``, ``nav``, ``theme``, ``workspace_name``, ``now_us`` and ``has_vendor``
    (whether the browser code was built).
    """
    visitor = visitor_of(request)
    workspace = request.app.state.workspace
    theme = request.cookies.get("pilotage_theme", "")
    shared = {
        "request": request,
        "path": request.url.path,
        "nav": navigate(request.url.path, may=visitor.person.may if visitor else lambda _: False),
        "person": visitor.person if visitor else None,
        "csrf_token": visitor.csrf_token if visitor else "",
        "theme": theme if theme in THEMES else "",
        "workspace_name": workspace.name,
        "now_us": workspace.clock.now_us(),
        "has_vendor": (STATIC / "vendor" / "htmx.min.js").exists(),
    }
    html = environment().get_template(template).render({**shared, **values})
    return HTMLResponse(html, status_code=status, headers=headers)
