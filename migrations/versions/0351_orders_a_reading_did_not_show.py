"""an index of orders that a reading should have shown and did not

Revision ID: 0351
Revises: 0320
Create Date: 2026-11-26 14:00:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = "0351"
down_revision = "0320"
branch_labels = None
depends_on = None

SUSPECTED = sa.text('seen_at IS NULL AND superseded_at IS NULL AND gone_at IS NULL')


def upgrade():
    op.create_index('ix_order_suspected', 'order', ['shop_id'], unique=False, sqlite_where=SUSPECTED, postgresql_where=SUSPECTED)


def downgrade():
    op.drop_index('ix_order_suspected', 'order')
