"""runs from before folding that found nothing to do are folded in the activity as well

Revision ID: 0660
Revises: 0611
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0660"
down_revision = "0611"
branch_labels = None
depends_on = None

BATCH = 1000
RUN = sa.table(
    "sync_run", sa.column("id", sa.Integer), sa.column("state", sa.String), sa.column("outcome", sa.String), sa.column("actor", sa.String),
    sa.column("counts", sa.Text), sa.column("steps", sa.Text), sa.column("warnings", sa.Text), sa.column("quiet", sa.Boolean),
)  # fmt: skip


def upgrade() -> None:
    """As services/runs/lifecycle.py decides it when a run ends: the schedule started it, and it counted nothing and warned of nothing."""
    connection, last = op.get_bind(), 0
    of_json = [sa.cast(RUN.c[name], sa.Text) for name in ("counts", "steps", "warnings")]
    done = RUN.c.state == "finished", RUN.c.outcome == "done", RUN.c.actor == "schedule", ~RUN.c.quiet
    while True:
        query = sa.select(RUN.c.id, *of_json).where(RUN.c.id > last, *done).order_by(RUN.c.id).limit(BATCH)
        rows = connection.execute(query).all()
        if not rows:
            return
        last = rows[-1][0]
        quiet = [row[0] for row in rows if _found_nothing(*(json.loads(each or "null") for each in row[1:]))]
        if quiet:
            connection.execute(RUN.update().where(RUN.c.id.in_(quiet)).values(quiet=sa.true()))


def _found_nothing(counts: Any, steps: Any, warnings: Any) -> bool:
    counted = [counts or {}, *((step or {}).get("counts") or {} for step in (steps or {}).values())]
    return not warnings and not any(number for each in counted for number in each.values())


def downgrade() -> None:
    """The mark is right for the version before as well."""
