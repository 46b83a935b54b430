"""Settings of the whole installation, by name: what people change on a page, with who changed it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import IntegrityError

from extensions import db, writing
from models import Setting
from models.types import utcnow


def read_setting(name: str, default: Any = None) -> Any:
    """The value of a setting, a plain JSON value; ``default`` if it is not set."""
    setting = db.session.get(Setting, name)
    return default if setting is None else setting.value


def change_setting(name: str, value: Any, actor: str) -> None:
    """Save a plain JSON value under a name."""
    try:
        _write(name, value, actor)
    except IntegrityError:
        # Another process has just saved it for the first time.
        _write(name, value, actor)


def _write(name: str, value: Any, actor: str) -> None:
    with writing() as session:
        setting = session.get(Setting, name)
        if setting is None:
            session.add(Setting(name=name, value=value, changed_by=actor))
        else:
            setting.value, setting.changed_by, setting.changed_at = value, actor, utcnow()
