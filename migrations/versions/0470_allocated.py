"""the cause "allocated" of the stock ledger

Revision ID: 0470
Revises: 0432
Create Date: 2026-11-26 20:00:00.000000

Units that a waiting order got were entered as "allotted".
"""
from alembic import op
import sqlalchemy as sa

# revision identifiers, used by Alembic.
revision = "0470"
down_revision = "0432"
branch_labels = None
depends_on = None


def upgrade():
    _rename('allotted', 'allocated')


def downgrade():
    _rename('allocated', 'allotted')


def _rename(old, new):
    op.execute(sa.text('UPDATE stock_entry SET cause = :new WHERE cause = :old').bindparams(old=old, new=new))
