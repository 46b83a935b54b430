"""steps of runs, and one kind of claim

Revision ID: 0401
Revises: 0421
Create Date: 2026-11-26 17:30:00.000000

A run records what it did for other flows before its own, and a flow names the run that works on it. Look-ups and connection checks are
claimed under a lease, as runs and files are.
"""
from alembic import op
import sqlalchemy as sa

# revision identifiers, used by Alembic.
revision = "0401"
down_revision = "0421"
branch_labels = None
depends_on = None

LEASES = (('lookup', 'heard_at', 'token'), ('draft', 'check_asked_at', 'check_token'))


def upgrade():
    op.add_column('sync_run', sa.Column('steps', sa.JSON(), server_default='{}', nullable=False))
    op.add_column('flow', sa.Column('run_id', sa.Integer(), nullable=True))
    for table, heard_at, token in LEASES:
        op.execute(sa.text(f'ALTER TABLE {table} RENAME COLUMN {heard_at} TO lease_until'))
        op.add_column(table, sa.Column(token, sa.String(length=32), server_default='', nullable=False))


def downgrade():
    for table, heard_at, token in LEASES:
        op.drop_column(table, token)
        op.execute(sa.text(f'ALTER TABLE {table} RENAME COLUMN lease_until TO {heard_at}'))
    op.drop_column('flow', 'run_id')
    op.drop_column('sync_run', 'steps')
