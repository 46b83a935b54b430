"""one open look-up for each person

Revision ID: 0370
Revises: 0340
Create Date: 2026-11-26 13:40:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = "0370"
down_revision = "0340"
branch_labels = None
depends_on = None

OPEN = sa.text("state <> 'done'")


def upgrade():
    # Several may be open. They are questions that a page waits for: the person asks again.
    op.execute(sa.text("DELETE FROM lookup WHERE state <> 'done'"))
    op.create_index('uq_lookup_open', 'lookup', ['actor'], unique=True, sqlite_where=OPEN, postgresql_where=OPEN)


def downgrade():
    op.drop_index('uq_lookup_open', 'lookup')
