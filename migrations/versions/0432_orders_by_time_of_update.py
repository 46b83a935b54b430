"""Find orders by the time of their last update

Revision ID: 0432
Revises: 0431
"""

from alembic import op

revision = "0432"
down_revision = "0431"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_order_updated", "order", ["updated_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_order_updated", "order")
