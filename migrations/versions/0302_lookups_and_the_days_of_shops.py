"""lookups, and the time zone whose days a shop's receipts count

Revision ID: 0302
Revises: 0301
Create Date: 2026-11-23 19:24:40.000000

"""
from alembic import op
import sqlalchemy as sa

import models.types


# revision identifiers, used by Alembic.
revision = "0302"
down_revision = "0301"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('lookup',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('actor', sa.String(length=100), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('asked', sa.JSON(), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('phase', sa.String(length=200), nullable=False),
    sa.Column('found', sa.JSON(), nullable=False),
    sa.Column('created_at', models.types.Moment(timezone=True), nullable=False),
    sa.Column('heard_at', models.types.Moment(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_lookup'))
    )
    with op.batch_alter_table('lookup', schema=None) as batch_op:
        batch_op.create_index('ix_lookup_created', ['created_at'], unique=False)

    with op.batch_alter_table('shop', schema=None) as batch_op:
        batch_op.add_column(sa.Column('zone', sa.String(length=60), server_default='', nullable=False))

    with op.batch_alter_table('receipt', schema=None) as batch_op:
        batch_op.add_column(sa.Column('zone', sa.String(length=60), server_default='UTC', nullable=False))


def downgrade():
    with op.batch_alter_table('receipt', schema=None) as batch_op:
        batch_op.drop_column('zone')

    with op.batch_alter_table('shop', schema=None) as batch_op:
        batch_op.drop_column('zone')

    with op.batch_alter_table('lookup', schema=None) as batch_op:
        batch_op.drop_index('ix_lookup_created')

    op.drop_table('lookup')
