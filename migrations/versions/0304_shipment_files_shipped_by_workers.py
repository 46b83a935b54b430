"""files of shipments shipped by workers

Revision ID: 0304
Revises: 0303
Create Date: 2026-11-23 19:58:40.000000

"""
from alembic import op
import sqlalchemy as sa

import models.types


# revision identifiers, used by Alembic.
revision = "0304"
down_revision = "0303"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table('shipment_file', schema=None) as batch_op:
        batch_op.add_column(sa.Column('wanted_at', models.types.Moment(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('done', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('refused', sa.JSON(), server_default='[]', nullable=False))
        batch_op.add_column(sa.Column('token', sa.String(length=32), server_default='', nullable=False))
        batch_op.add_column(sa.Column('lease_until', models.types.Moment(timezone=True), nullable=True))


def downgrade():
    with op.batch_alter_table('shipment_file', schema=None) as batch_op:
        batch_op.drop_column('lease_until')
        batch_op.drop_column('token')
        batch_op.drop_column('refused')
        batch_op.drop_column('done')
        batch_op.drop_column('wanted_at')
