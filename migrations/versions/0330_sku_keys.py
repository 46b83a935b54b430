"""keys of SKUs, renamed listings, and order lines that need no stock item

Stock items whose keys are the same are not merged: they keep their exact spelling as key, and the key they share beside it.

Revision ID: 0330
Revises: 0370
Create Date: 2026-11-26 13:15:00.000000

"""
from collections import defaultdict

from alembic import op
import sqlalchemy as sa

from models.sku_key import sku_key


# revision identifiers, used by Alembic.
revision = "0330"
down_revision = "0370"
branch_labels = None
depends_on = None

CHUNK = 1000
item = sa.table('stock_item', sa.column('id'), sa.column('sku'), sa.column('sku_key'), sa.column('shared_key'))


def upgrade():
    op.add_column('stock_item', sa.Column('sku_key', sa.String(length=255), nullable=True))
    op.add_column('stock_item', sa.Column('shared_key', sa.String(length=255), nullable=True))
    op.add_column('listing', sa.Column('sku_key', sa.String(length=255), nullable=False, server_default=''))
    op.add_column('listing', sa.Column('rename_state', sa.String(length=10), nullable=False, server_default=''))
    op.add_column('listing', sa.Column('renamed_from', sa.String(length=255), nullable=False, server_default=''))
    op.add_column('order_line', sa.Column('sku_key', sa.String(length=255), nullable=False, server_default=''))
    op.add_column('order_line', sa.Column('uncounted', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column('order_line', sa.Column('could_mean', sa.Text(), nullable=False, server_default=''))
    op.add_column('stock_file_row', sa.Column('sku_key', sa.String(length=255), nullable=False, server_default=''))
    _fill_items()
    for name in ('listing', 'order_line', 'stock_file_row'):
        _fill(name)
    op.create_index('uq_stock_item_sku_key', 'stock_item', ['sku_key'], unique=True)
    op.create_index('ix_stock_item_shared_key', 'stock_item', ['shared_key'], unique=False)
    op.drop_index('ix_listing_shop_sku', 'listing')
    op.drop_index('ix_listing_sku', 'listing')
    op.create_index('ix_listing_shop_sku_key', 'listing', ['shop_id', 'sku_key'], unique=False)
    op.create_index('ix_listing_sku_key', 'listing', ['sku_key'], unique=False)
    op.create_index('ix_listing_shop_product', 'listing', ['shop_id', 'product_id'], unique=False)
    op.create_index(
        'ix_listing_renamed', 'listing', ['shop_id'], unique=False, sqlite_where=sa.text("rename_state != ''"),
        postgresql_where=sa.text("rename_state != ''"),
    )
    op.drop_index('ix_order_line_sku', 'order_line')
    op.create_index('ix_order_line_sku_key', 'order_line', ['sku_key'], unique=False)
    op.drop_index('ix_stock_file_row_file_sku', 'stock_file_row')
    op.create_index('ix_stock_file_row_file_sku_key', 'stock_file_row', ['file_id', 'sku_key'], unique=False)


def _fill_items():
    connection = op.get_bind()
    same = defaultdict(list)
    for row_id, sku in connection.execute(sa.select(item.c.id, item.c.sku)):
        same[sku_key(sku)].append((row_id, sku))
    rows = [
        {'row': row_id, 'key': key if len(each) == 1 else sku, 'shared': None if len(each) == 1 else key}
        for key, each in same.items() for row_id, sku in each
    ]
    statement = item.update().where(item.c.id == sa.bindparam('row')).values(
        sku_key=sa.bindparam('key'), shared_key=sa.bindparam('shared')
    )
    for start in range(0, len(rows), CHUNK):
        connection.execute(statement, rows[start:start + CHUNK])


def _fill(name):
    """Keys are computed once for each spelling, in Python: no database lowers letters as Python does."""
    connection = op.get_bind()
    table = sa.table(name, sa.column('sku'), sa.column('sku_key'))
    spellings = connection.execute(sa.select(table.c.sku).distinct()).scalars().all()
    rows = [{'spelling': sku, 'key': sku_key(sku)} for sku in spellings]
    statement = table.update().where(table.c.sku == sa.bindparam('spelling')).values(sku_key=sa.bindparam('key'))
    for start in range(0, len(rows), CHUNK):
        connection.execute(statement, rows[start:start + CHUNK])


def downgrade():
    op.drop_index('ix_stock_file_row_file_sku_key', 'stock_file_row')
    op.create_index('ix_stock_file_row_file_sku', 'stock_file_row', ['file_id', 'sku'], unique=False)
    op.drop_index('ix_order_line_sku_key', 'order_line')
    op.create_index('ix_order_line_sku', 'order_line', ['sku'], unique=False)
    op.drop_index('ix_listing_renamed', 'listing')
    op.drop_index('ix_listing_shop_product', 'listing')
    op.drop_index('ix_listing_sku_key', 'listing')
    op.drop_index('ix_listing_shop_sku_key', 'listing')
    op.create_index('ix_listing_sku', 'listing', ['sku'], unique=False)
    op.create_index('ix_listing_shop_sku', 'listing', ['shop_id', 'sku'], unique=False)
    op.drop_index('ix_stock_item_shared_key', 'stock_item')
    op.drop_index('uq_stock_item_sku_key', 'stock_item')
    for name, columns in {
        'stock_file_row': ('sku_key',), 'order_line': ('could_mean', 'uncounted', 'sku_key'),
        'listing': ('renamed_from', 'rename_state', 'sku_key'), 'stock_item': ('shared_key', 'sku_key'),
    }.items():
        for column in columns:
            op.drop_column(name, column)
