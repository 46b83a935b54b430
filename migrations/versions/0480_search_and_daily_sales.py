"""the search index of orders, and daily sales

Revision ID: 0480
Revises: 0500
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0480"
down_revision = "0500"
branch_labels = None
depends_on = None

FILLED_TO = "order_search_filled_to"


def _sums() -> tuple[sa.Column[Any], ...]:
    whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    kinds = {"orders": whole, "pieces": whole, "total": sa.BigInteger()}
    return tuple(sa.Column(name, kind, nullable=False) for name, kind in kinds.items())


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE order_search USING fts5(public, personal, tokenize='ascii', prefix='1 2 3', columnsize=0)")
    else:
        op.create_table(
            "order_search",
            sa.Column("order_id", sa.Integer(), sa.ForeignKey("order.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
            sa.Column("words", TSVECTOR(), nullable=False),
        )
        op.create_index("ix_order_search_words", "order_search", ["words"], postgresql_using="gin")
    op.create_table(
        "day_sales",
        sa.Column("shop_id", sa.Integer(), sa.ForeignKey("shop.id"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(10), nullable=False),
        *_sums(),
        sa.Column("decimals", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "day", "currency"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_day_sales_day", "day_sales", ["day"])
    op.create_table(
        "sku_sales",
        sa.Column("shop_id", sa.Integer(), sa.ForeignKey("shop.id"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sku_key", sa.String(255), nullable=False),
        sa.Column("currency", sa.String(10), nullable=False),
        *_sums(),
        sa.PrimaryKeyConstraint("shop_id", "day", "sku_key", "currency"),
        sqlite_with_rowid=False,
    )
    op.add_column("shop", sa.Column("sales_checked_to", sa.Date()))
    op.create_index("ix_shop_sales_checked_to", "shop", ["sales_checked_to"])
    op.drop_index("ix_order_line_sku_key", "order_line")
    op.create_index("ix_order_line_sku_key", "order_line", ["sku_key", "id"])
    # What is there already is added in the background (jobs/order_rows.py): a million orders take minutes.
    op.execute(
        f"INSERT INTO setting (name, value, changed_at, changed_by) SELECT '{FILLED_TO}', '0', CURRENT_TIMESTAMP, 'migration' "
        'WHERE EXISTS (SELECT 1 FROM "order")'
    )


def downgrade() -> None:
    op.execute(f"DELETE FROM setting WHERE name = '{FILLED_TO}'")
    op.drop_index("ix_order_line_sku_key", "order_line")
    op.create_index("ix_order_line_sku_key", "order_line", ["sku_key"])
    op.drop_index("ix_shop_sales_checked_to", "shop")
    op.drop_column("shop", "sales_checked_to")
    op.drop_table("sku_sales")
    op.drop_index("ix_day_sales_day", "day_sales")
    op.drop_table("day_sales")
    op.drop_table("order_search")
