"""orders of one shop are sorted by total, and kits found among the links that were made by hand

Revision ID: 0720
Revises: 0712
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0720"
down_revision = "0712"
branch_labels = None
depends_on = None

BY_HAND = sa.text("made_by = 'hand'")


def upgrade() -> None:
    op.create_index("ix_order_shop_total", "order", ["shop_id", "total", "id"])
    op.create_index("ix_link_by_hand", "link", ["listing_id", "units"], sqlite_where=BY_HAND, postgresql_where=BY_HAND)


def downgrade() -> None:
    op.drop_index("ix_link_by_hand", "link")
    op.drop_index("ix_order_shop_total", "order")
