"""stock items and listings are searched in one text without letter case in any language, and listings without a link are found by an index

Revision ID: 0770
Revises: 0762
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.sku_key import search_text

revision = "0770"
down_revision = "0762"
branch_labels = None
depends_on = None

BATCH = 5000
TABLES = ("stock_item", "listing")
LISTING = sa.table("listing", sa.column("id", sa.Integer), sa.column("linked", sa.Boolean))
LINK = sa.table("link", sa.column("listing_id", sa.Integer))


def upgrade() -> None:
    for name in TABLES:
        op.add_column(name, sa.Column("searched", sa.Text(), nullable=False, server_default=""))
        _fill(sa.table(name, sa.column("id", sa.Integer), *(sa.column(each, sa.Text) for each in ("sku", "name", "searched"))))
        op.create_index(f"ix_{name}_searched", name, ["id", "searched"])
    op.add_column("listing", sa.Column("linked", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(sa.update(LISTING).where(LISTING.c.id.in_(sa.select(LINK.c.listing_id))).values(linked=True))
    op.create_index(
        "ix_listing_unlinked", "listing", ["shop_id", "sku", "id"],
        sqlite_where=sa.text("linked = 0"), postgresql_where=sa.text("NOT linked"),
    )  # fmt: skip


def _fill(table: sa.TableClause) -> None:
    connection, last = op.get_bind(), 0
    while rows := connection.execute(sa.select(table).where(table.c.id > last).order_by(table.c.id).limit(BATCH)).all():
        last = rows[-1].id
        connection.execute(
            table.update().where(table.c.id == sa.bindparam("its_id")).values(searched=sa.bindparam("text")),
            [{"its_id": row.id, "text": search_text(row.sku, row.name)} for row in rows],
        )


def downgrade() -> None:
    op.drop_index("ix_listing_unlinked", "listing")
    op.drop_column("listing", "linked")
    for name in TABLES:
        op.drop_index(f"ix_{name}_searched", name)
        op.drop_column(name, "searched")
