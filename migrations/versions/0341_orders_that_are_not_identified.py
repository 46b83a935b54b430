"""how many orders a shop cannot print whose ids are not known

Revision ID: 0341
Revises: 0330
Create Date: 2026-11-26 13:40:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = "0341"
down_revision = "0330"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('shop', sa.Column('unidentified', sa.Integer(), nullable=False, server_default='0'))


def downgrade():
    op.drop_column('shop', 'unidentified')
