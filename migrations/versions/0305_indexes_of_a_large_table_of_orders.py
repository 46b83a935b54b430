"""indexes that SQLite takes for flags of orders, and for the list of all shops' orders

Revision ID: 0305
Revises: 0304
Create Date: 2026-11-23 20:02:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = "0305"
down_revision = "0304"
branch_labels = None
depends_on = None

FLAGS = {'reread_due': ['shop_id'], 'rows_due': ['shop_id', 'placed_at'], 'cancel_unseen': ['shop_id']}


def upgrade():
    for flag, columns in FLAGS.items():
        op.drop_index(f'ix_order_{flag}', 'order')
        op.create_index(
            f'ix_order_{flag}', 'order', columns, unique=False, sqlite_where=sa.text(f'{flag} = 1'), postgresql_where=sa.text(flag)
        )
    op.drop_index('ix_order_state_placed', 'order')
    op.create_index('ix_order_state_placed', 'order', ['state', 'placed_at', 'shop_id'], unique=False)
    op.create_index('ix_order_placed', 'order', ['placed_at', 'shop_id'], unique=False)


def downgrade():
    op.drop_index('ix_order_placed', 'order')
    op.drop_index('ix_order_state_placed', 'order')
    op.create_index('ix_order_state_placed', 'order', ['state', 'placed_at'], unique=False)
    for flag in FLAGS:
        op.drop_index(f'ix_order_{flag}', 'order')
        op.create_index(
            f'ix_order_{flag}', 'order', ['shop_id'], unique=False, sqlite_where=sa.text(flag), postgresql_where=sa.text(flag)
        )
