"""orders whose single money rows are wanted by a change of settings

Revision ID: 0303
Revises: 0302
Create Date: 2026-11-23 19:55:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = "0303"
down_revision = "0302"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table('order', schema=None) as batch_op:
        batch_op.add_column(sa.Column('rows_due', sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.create_index('ix_order_rows_due', ['shop_id'], unique=False, sqlite_where=sa.text('rows_due'), postgresql_where=sa.text('rows_due'))


def downgrade():
    with op.batch_alter_table('order', schema=None) as batch_op:
        batch_op.drop_index('ix_order_rows_due', sqlite_where=sa.text('rows_due'), postgresql_where=sa.text('rows_due'))
        batch_op.drop_column('rows_due')
