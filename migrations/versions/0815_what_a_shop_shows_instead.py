"""what a shop shows instead of an order in doubt has a column of its own, not a place in the doubts, which older versions read as pairs

Revision ID: 0815
Revises: 0796
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0815"
down_revision = "0796"
branch_labels = None
depends_on = None

ORDERS = sa.table(
    "order", sa.column("id", sa.Integer), sa.column("doubts", sa.JSON), sa.column("shown_instead", sa.JSON(none_as_null=True))
)


def upgrade() -> None:
    op.add_column("order", sa.Column("shown_instead", sa.JSON(none_as_null=True), nullable=True))
    connection = op.get_bind()
    in_doubt = sa.select(ORDERS.c.id, ORDERS.c.doubts).where(sa.cast(ORDERS.c.doubts, sa.Text) != "[]")
    for order_id, doubts in connection.execute(in_doubt).all():
        shown: list[Any] = [doubt[2] for doubt in doubts if len(doubt) > 2]
        if shown:
            changed = {"doubts": [doubt[:2] for doubt in doubts], "shown_instead": shown[0]}
            connection.execute(sa.update(ORDERS).where(ORDERS.c.id == order_id).values(changed))


def downgrade() -> None:
    op.drop_column("order", "shown_instead")
