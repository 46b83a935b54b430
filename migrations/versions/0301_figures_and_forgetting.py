"""figures, and the indexes that make forgetting runs cheap

Revision ID: 0301
Revises: 0300
Create Date: 2026-11-23 19:17:38.610009

"""
from alembic import op
import sqlalchemy as sa



# revision identifiers, used by Alembic.
revision = "0301"
down_revision = "0300"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('tally',
    sa.Column('name', sa.String(length=30), nullable=False),
    sa.Column('labels', sa.String(length=100), nullable=False),
    sa.Column('value', sa.Float(), nullable=False),
    sa.PrimaryKeyConstraint('name', 'labels', name=op.f('pk_tally'))
    )
    with op.batch_alter_table('drift', schema=None) as batch_op:
        batch_op.create_index('ix_drift_run', ['run_id'], unique=False, sqlite_where=sa.text('run_id IS NOT NULL'), postgresql_where=sa.text('run_id IS NOT NULL'))

    with op.batch_alter_table('order_change', schema=None) as batch_op:
        batch_op.create_index('ix_order_change_run', ['run_id'], unique=False, sqlite_where=sa.text('run_id IS NOT NULL'), postgresql_where=sa.text('run_id IS NOT NULL'))

    with op.batch_alter_table('receipt', schema=None) as batch_op:
        batch_op.create_index('ix_receipt_run', ['run_id'], unique=False, sqlite_where=sa.text('run_id IS NOT NULL'), postgresql_where=sa.text('run_id IS NOT NULL'))

    with op.batch_alter_table('stock_entry', schema=None) as batch_op:
        batch_op.create_index('ix_stock_entry_run', ['run_id'], unique=False, sqlite_where=sa.text('run_id IS NOT NULL'), postgresql_where=sa.text('run_id IS NOT NULL'))

    with op.batch_alter_table('sync_run', schema=None) as batch_op:
        batch_op.create_index('ix_sync_run_finished', ['finished_at', 'id'], unique=False)

    with op.batch_alter_table('write_back', schema=None) as batch_op:
        batch_op.create_index('ix_write_back_run', ['run_id'], unique=False, sqlite_where=sa.text('run_id IS NOT NULL'), postgresql_where=sa.text('run_id IS NOT NULL'))



def downgrade():
    with op.batch_alter_table('write_back', schema=None) as batch_op:
        batch_op.drop_index('ix_write_back_run', sqlite_where=sa.text('run_id IS NOT NULL'), postgresql_where=sa.text('run_id IS NOT NULL'))

    with op.batch_alter_table('sync_run', schema=None) as batch_op:
        batch_op.drop_index('ix_sync_run_finished')

    with op.batch_alter_table('stock_entry', schema=None) as batch_op:
        batch_op.drop_index('ix_stock_entry_run', sqlite_where=sa.text('run_id IS NOT NULL'), postgresql_where=sa.text('run_id IS NOT NULL'))

    with op.batch_alter_table('receipt', schema=None) as batch_op:
        batch_op.drop_index('ix_receipt_run', sqlite_where=sa.text('run_id IS NOT NULL'), postgresql_where=sa.text('run_id IS NOT NULL'))

    with op.batch_alter_table('order_change', schema=None) as batch_op:
        batch_op.drop_index('ix_order_change_run', sqlite_where=sa.text('run_id IS NOT NULL'), postgresql_where=sa.text('run_id IS NOT NULL'))

    with op.batch_alter_table('drift', schema=None) as batch_op:
        batch_op.drop_index('ix_drift_run', sqlite_where=sa.text('run_id IS NOT NULL'), postgresql_where=sa.text('run_id IS NOT NULL'))

    op.drop_table('tally')
