"""Which online store is used: the setting ``online``, read here and nowhere else."""

from __future__ import annotations

from pilotage.core import InputError, load_settings
from pilotage.features.online.database import DatabaseStore
from pilotage.features.online.store import OnlineStore
from pilotage.store import Workspace

_REDIS = ("redis://", "rediss://", "unix://")


def open_store(workspace: Workspace, *, where: str | None = None) -> OnlineStore:
    """The online store that ``where`` (default: the setting ``online``) names: ``workspace`` or the URL of a Redis. Close it after use.

    Raises
    ------
    InputError
        If it names neither.
    Unavailable
        If the extra for Redis is missing.
    """
    place = load_settings().online if where is None else where
    if place == "workspace":
        return DatabaseStore(workspace)
    if place.startswith(_REDIS):
        from pilotage.features.online.redis_store import RedisStore

        return RedisStore(workspace, place)
    raise InputError(
        f"There is no online store '{place.rpartition('@')[2]}'.", where="setting 'online'", mend="use 'workspace', or redis://host:port/number"
    )
