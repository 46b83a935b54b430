"""orders whose ids are used again, lines found by what the shop sent, orders deleted in the shop, and 64-bit numbers of pieces

Revision ID: 0350
Revises: 0305
Create Date: 2026-11-26 13:20:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = "0350"
down_revision = "0305"
branch_labels = None
depends_on = None

PIECES = {
    'stock_item': ('on_hand', 'reserved', 'buffer'),
    'stock_entry': ('on_hand_change', 'reserved_change'),
    'listing': ('quantity', 'pushed', 'expected', 'drift'),
    'link': ('units',),
    'line_part': ('units', 'reserved'),
    'order_line': ('quantity', 'reserved', 'shipped'),
    'shipment_line': ('quantity',),
    'drift': ('expected', 'found'),
    'oversell': ('units',),
    'stock_file_row': ('quantity', 'before'),
    'run_item': ('now', 'wanted', 'stored'),
}
MOST = 2**31 - 1
CURRENT = sa.text('superseded_at IS NULL')
STILL_OPEN = sa.text(
    "superseded_at IS NULL AND gone_at IS NULL AND state IN ('awaiting_payment', 'on_hold', 'ready', 'part_shipped')"
)
GONE = sa.text('gone_at IS NOT NULL')


def upgrade():
    moment = sa.DateTime(timezone=True)
    op.add_column('shop', sa.Column('identity_key_sealed', sa.LargeBinary(), nullable=True))
    op.add_column('shop', sa.Column('set_back_at', moment, nullable=True))
    op.add_column('shop', sa.Column('set_back_due', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column('shop', sa.Column('many_gone', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('shop', sa.Column('gone_approved_at', moment, nullable=True))
    op.add_column('order', sa.Column('superseded_at', moment, nullable=True))
    op.add_column('order', sa.Column('email_digest', sa.LargeBinary(), nullable=True))
    op.add_column('order', sa.Column('doubts', sa.JSON(), nullable=False, server_default='[]'))
    op.add_column('order', sa.Column('seen_at', moment, nullable=True))
    op.add_column('order', sa.Column('gone_at', moment, nullable=True))
    op.add_column('order', sa.Column('gone_seen_at', moment, nullable=True))
    op.add_column('order_line', sa.Column('item_id', sa.String(64), nullable=False, server_default=''))
    op.add_column('order_line', sa.Column('shop_price', sa.BigInteger(), nullable=True))
    op.add_column('order_line', sa.Column('options_digest', sa.LargeBinary(), nullable=True))
    op.execute(sa.text('UPDATE "order" SET seen_at = updated_at'))
    op.drop_index('uq_order_shop_external_id', 'order')
    op.create_index(
        'uq_order_shop_external_id', 'order', ['shop_id', 'external_id'], unique=True, sqlite_where=CURRENT, postgresql_where=CURRENT
    )
    op.create_index(
        'ix_order_still_open', 'order', ['shop_id', 'seen_at'], unique=False, sqlite_where=STILL_OPEN, postgresql_where=STILL_OPEN
    )
    op.create_index('ix_order_gone', 'order', ['shop_id'], unique=False, sqlite_where=GONE, postgresql_where=GONE)
    _retype(sa.BigInteger())


def downgrade():
    """Orders whose id was used again keep their rows: the older schema has one order for each id, so their ids get a suffix."""
    for table, columns in PIECES.items():
        for column in columns:
            op.execute(sa.text(f'UPDATE "{table}" SET "{column}" = {MOST} WHERE "{column}" > {MOST}'))
    _retype(sa.Integer())
    op.execute(sa.text(
        'UPDATE "order" SET external_id = substr(external_id, 1, 40) || \'-replaced-\' || id WHERE superseded_at IS NOT NULL'
    ))
    op.drop_index('ix_order_gone', 'order')
    op.drop_index('ix_order_still_open', 'order')
    op.drop_index('uq_order_shop_external_id', 'order')
    op.create_index('uq_order_shop_external_id', 'order', ['shop_id', 'external_id'], unique=True)
    for name in ('options_digest', 'shop_price', 'item_id'):
        op.drop_column('order_line', name)
    for name in ('gone_seen_at', 'gone_at', 'seen_at', 'doubts', 'email_digest', 'superseded_at'):
        op.drop_column('order', name)
    for name in ('gone_approved_at', 'many_gone', 'set_back_due', 'set_back_at', 'identity_key_sealed'):
        op.drop_column('shop', name)


def _retype(kind):
    """SQLite's integers have 64 bits whatever they are called."""
    if op.get_bind().dialect.name != 'postgresql':
        return
    for table, columns in PIECES.items():
        clauses = ', '.join(f'ALTER COLUMN "{column}" TYPE {kind.compile(op.get_bind().dialect)}' for column in columns)
        op.execute(sa.text(f'ALTER TABLE "{table}" {clauses}'))
