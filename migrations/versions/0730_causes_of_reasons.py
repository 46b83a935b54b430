"""each reason of a held order is stored with its cause

Revision ID: 0730
Revises: 0720
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0730"
down_revision = "0720"
branch_labels = None
depends_on = None

BATCH = 1000
ORDER = sa.table(
    "order", sa.column("id", sa.Integer), sa.column("held_codes", sa.JSON), sa.column("held_reason", sa.Text), sa.column("doubts", sa.JSON),
    sa.column("problems", sa.JSON), sa.column("reason_codes", sa.JSON),
)  # fmt: skip
BEGINNINGS = {
    "The shop no longer has this order.": "gone", "The sums disagree by ": "sums", "The currency ": "currency",
    "The order has no currency.": "currency", "The order has no address.": "address", "A line has no SKU": "unknown_sku",
    "The order has no lines.": "no_lines",
}  # fmt: skip
"""How the sentences began, by cause, in the versions before."""


def upgrade() -> None:
    op.add_column("order", sa.Column("reason_codes", sa.JSON(), nullable=False, server_default="[]"))
    connection, last = op.get_bind(), 0
    while True:
        query = sa.select(ORDER).where(ORDER.c.id > last, ORDER.c.held_reason != "").order_by(ORDER.c.id).limit(BATCH)
        rows = connection.execute(query).all()
        if not rows:
            return
        last = rows[-1].id
        connection.execute(
            ORDER.update().where(ORDER.c.id == sa.bindparam("its_id")).values(reason_codes=sa.bindparam("codes", type_=sa.JSON)),
            [{"its_id": row.id, "codes": [_code(row, line) for line in row.held_reason.split("\n")]} for row in rows],
        )


def _code(row: sa.Row, sentence: str) -> str:
    """The cause of one reason. A doubt and a problem are stored as they are; any other is known by how it begins or ends."""
    for code, doubt in row.doubts or ():
        if doubt == sentence:
            return str(code)
    if sentence in (row.problems or ()):
        return "unreadable"
    if sentence.startswith("SKU "):
        return "doubtful_sku" if " could be the stock item " in sentence else "unknown_sku"
    if sentence.endswith("not in stock."):
        return "short"
    known = next((code for beginning, code in BEGINNINGS.items() if sentence.startswith(beginning)), "")
    others = [code for code in row.held_codes if code in ("unreadable", "identity", "lines")]
    return known or (others[0] if others else "")


def downgrade() -> None:
    op.drop_column("order", "reason_codes")
