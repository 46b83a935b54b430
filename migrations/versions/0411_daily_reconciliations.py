"""daily reconciliations were called receipts

Revision ID: 0411
Revises: 0430
Create Date: 2026-11-26 17:30:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = "0411"
down_revision = "0430"
branch_labels = None
depends_on = None

COLUMNS = 'id, shop_id, day, zone, checked_at, shop_orders, our_orders, shop_totals, our_totals, differences, run_id'
OF_RUNS = sa.text('run_id IS NOT NULL')


def upgrade():
    _move('receipt', 'daily_reconciliation')


def downgrade():
    _move('daily_reconciliation', 'receipt')


def _move(old, new):
    """The names of constraints hold the table's name: the rows move to a table of the new name."""
    moment = sa.DateTime(timezone=True)
    op.create_table(new,
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('shop_id', sa.Integer(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('zone', sa.String(length=60), nullable=False, server_default='UTC'),
    sa.Column('checked_at', moment, nullable=False),
    sa.Column('shop_orders', sa.Integer(), nullable=False),
    sa.Column('our_orders', sa.Integer(), nullable=False),
    sa.Column('shop_totals', sa.JSON(), nullable=False),
    sa.Column('our_totals', sa.JSON(), nullable=False),
    sa.Column('differences', sa.JSON(), nullable=False),
    sa.Column('run_id', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['run_id'], ['sync_run.id'], name=op.f(f'fk_{new}_run_id_sync_run')),
    sa.ForeignKeyConstraint(['shop_id'], ['shop.id'], name=op.f(f'fk_{new}_shop_id_shop')),
    sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{new}')),
    sa.UniqueConstraint('shop_id', 'day', name=op.f(f'uq_{new}_shop_id')),
    )
    op.execute(f'INSERT INTO {new} ({COLUMNS}) SELECT {COLUMNS} FROM {old} ORDER BY id')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute(f"SELECT setval(pg_get_serial_sequence('{new}', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM {new}), false)")
    op.drop_table(old)
    op.create_index(f'ix_{new}_run', new, ['run_id'], unique=False, sqlite_where=OF_RUNS, postgresql_where=OF_RUNS)
