"""what became of a listing's last stock update, and losses of a reading that wait to be confirmed

Revision ID: 0320
Revises: 0360
Create Date: 2026-11-26 13:20:00.000000

"""
from alembic import op
import sqlalchemy as sa

from models.types import Moment


# revision identifiers, used by Alembic.
revision = "0320"
down_revision = "0360"
branch_labels = None
depends_on = None

AMBIGUOUS = 'Several listings of this shop have this SKU: link them by hand.'

def upgrade():
    op.add_column('listing', sa.Column('push_state', sa.String(length=12), server_default='', nullable=False))
    op.add_column('listing', sa.Column('push_tries', sa.Integer(), server_default='0', nullable=False))
    op.add_column('listing', sa.Column('push_failed_since', Moment(timezone=True), nullable=True))
    op.add_column('listing', sa.Column('push_due_at', Moment(timezone=True), nullable=True))
    op.add_column('listing', sa.Column('push_sent', sa.BigInteger(), nullable=True))
    op.add_column('listing', sa.Column('missed', sa.Integer(), server_default='0', nullable=False))
    op.add_column('shop', sa.Column('listings_started_at', Moment(timezone=True), nullable=True))
    op.add_column('shop', sa.Column('loss_at', Moment(timezone=True), nullable=True))
    op.add_column('shop', sa.Column('loss_count', sa.Integer(), server_default='0', nullable=False))
    op.add_column('shop', sa.Column('loss_known', sa.Integer(), server_default='0', nullable=False))
    op.add_column('integration', sa.Column('put_by_post', sa.String(length=10), server_default='', nullable=False))
    op.create_index(
        'ix_listing_push_state', 'listing', ['shop_id', 'push_state'], unique=False,
        sqlite_where=sa.text("push_state != ''"), postgresql_where=sa.text("push_state != ''"),
    )
    # Until now a failure of any kind ended the tries: what was not sent is sent again.
    listing = sa.table('listing', sa.column('push_error', sa.Text), sa.column('stale', sa.Boolean), sa.column('gone_at', Moment))
    op.execute(
        listing.update()
        .where(listing.c.push_error != '', listing.c.push_error != AMBIGUOUS, listing.c.gone_at.is_(None))
        .values(stale=True)
    )


def downgrade():
    op.drop_index('ix_listing_push_state', 'listing')
    op.drop_column('integration', 'put_by_post')
    for name in ('loss_known', 'loss_count', 'loss_at', 'listings_started_at'):
        op.drop_column('shop', name)
    for name in ('missed', 'push_sent', 'push_due_at', 'push_failed_since', 'push_tries', 'push_state'):
        op.drop_column('listing', name)
