"""What a view answers with where a struct alone does not say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import Struct


@dataclass(slots=True)
class Reply:
    """``after`` is done once the transaction is committed, for example to enqueue a run. ``content`` is a body that is encoded already."""

    body: Struct | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    after: Callable[[], None] | None = None
    content: bytes | None = None
    media_type: str = "application/json"
