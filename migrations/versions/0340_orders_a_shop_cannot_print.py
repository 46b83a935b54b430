"""orders a shop cannot print, what a reading by change remembers, and how far a shop's clock is ahead

Revision ID: 0340
Revises: 0350
Create Date: 2026-11-26 13:30:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = "0340"
down_revision = "0350"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('shop', sa.Column('changes_seen', sa.LargeBinary(), nullable=True))
    op.add_column('shop', sa.Column('clock_ahead', sa.Integer(), nullable=True))
    op.create_table(
        'unreadable_order',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('shop_id', sa.Integer(), nullable=False),
        sa.Column('external_id', sa.String(length=64), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('tries', sa.Integer(), nullable=False),
        sa.Column('first_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('next_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['shop_id'], ['shop.id']),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('uq_unreadable_order', 'unreadable_order', ['shop_id', 'external_id'], unique=True)


def downgrade():
    op.drop_table('unreadable_order')
    op.drop_column('shop', 'clock_ahead')
    op.drop_column('shop', 'changes_seen')
