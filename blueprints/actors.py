"""Who acts: the one place that knows. Until accounts come, whoever uses the pages is the owner."""

from __future__ import annotations

from flask import session

SESSION_KEY = "actor"
OWNER = "owner"


def current_actor() -> str:
    """The actor of a sync run or a change, as models.sync_run words it: ``user:owner``."""
    return f"user:{session.get(SESSION_KEY) or OWNER}"
