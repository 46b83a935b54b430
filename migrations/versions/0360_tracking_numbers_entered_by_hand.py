"""tracking numbers that a person enters in the shop, and what was learned about a shop

Revision ID: 0360
Revises: 0341
Create Date: 2026-11-26 13:30:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = "0360"
down_revision = "0341"
branch_labels = None
depends_on = None


def upgrade():
    moment = sa.DateTime(timezone=True)
    op.add_column('shop', sa.Column('learned', sa.JSON(), nullable=False, server_default='{}'))
    op.add_column('shop', sa.Column('learned_at', moment, nullable=True))
    op.add_column('shipment', sa.Column('by_hand', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column('shipment', sa.Column('entered_at', moment, nullable=True))
    op.add_column('shipment', sa.Column('entered_by', sa.String(100), nullable=False, server_default=''))
    op.execute(sa.text("UPDATE shipment SET by_hand = true WHERE note LIKE '%takes no tracking numbers over its API%'"))
    op.execute(sa.text("UPDATE write_back SET error_code = 'called_off' WHERE state = 'failed' AND error_code = 'cancelled'"))
    op.create_index(
        'ix_shipment_by_hand', 'shipment', ['order_id'], sqlite_where=sa.text('by_hand = 1'), postgresql_where=sa.text('by_hand')
    )


def downgrade():
    op.drop_index('ix_shipment_by_hand', 'shipment')
    op.execute(sa.text("UPDATE write_back SET error_code = 'cancelled' WHERE error_code = 'called_off'"))
    op.execute(sa.text("UPDATE write_back SET state = 'replaced' WHERE state = 'handled'"))
    for name in ('entered_by', 'entered_at', 'by_hand'):
        op.drop_column('shipment', name)
    for name in ('learned_at', 'learned'):
        op.drop_column('shop', name)
