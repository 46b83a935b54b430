"""orders are found by the tracking numbers that their shop shows

Revision ID: 0790
Revises: 0781
"""

from __future__ import annotations

from alembic import op

revision = "0790"
down_revision = "0781"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The words of orders that are there already are made again in the background (jobs/order_rows.py).
    op.execute("DELETE FROM setting WHERE name = 'order_search_filled_to'")
    op.execute(
        "INSERT INTO setting (name, value, changed_at, changed_by) SELECT 'order_search_filled_to', '0', CURRENT_TIMESTAMP, 'migration' "
        """WHERE EXISTS (SELECT 1 FROM "order" WHERE CAST(tracking_numbers AS TEXT) <> '[]')"""
    )


def downgrade() -> None:
    pass
