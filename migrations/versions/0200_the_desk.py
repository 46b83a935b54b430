"""the desk

Revision ID: 0200
Revises: 0100
Create Date: 2026-11-23 17:00:39.358413

"""
from alembic import op
import sqlalchemy as sa

import models.types


# revision identifiers, used by Alembic.
revision = "0200"
down_revision = "0100"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('shipment_file',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('actor', sa.String(length=100), nullable=False),
    sa.Column('created_at', models.types.Moment(timezone=True), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('rows', sa.JSON(), nullable=False),
    sa.Column('applied_at', models.types.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_shipment_file'))
    )
    op.create_table('stock_file',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('actor', sa.String(length=100), nullable=False),
    sa.Column('created_at', models.types.Moment(timezone=True), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('add_unknown', sa.Boolean(), nullable=False),
    sa.Column('size', sa.Integer(), nullable=False),
    sa.Column('done', sa.Integer(), nullable=False),
    sa.Column('total', sa.Integer(), nullable=False),
    sa.Column('changed', sa.Integer(), nullable=False),
    sa.Column('unchanged', sa.Integer(), nullable=False),
    sa.Column('unknown', sa.Integer(), nullable=False),
    sa.Column('wrong', sa.Integer(), nullable=False),
    sa.Column('problems', sa.JSON(), nullable=False),
    sa.Column('token', sa.String(length=32), nullable=False),
    sa.Column('lease_until', models.types.Moment(timezone=True), nullable=True),
    sa.Column('finished_at', models.types.Moment(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_stock_file'))
    )
    with op.batch_alter_table('stock_file', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_stock_file_state'), ['state'], unique=False)

    op.create_table('stock_file_part',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('file_id', sa.Integer(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['file_id'], ['stock_file.id'], name=op.f('fk_stock_file_part_file_id_stock_file'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_stock_file_part'))
    )
    with op.batch_alter_table('stock_file_part', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_stock_file_part_file_id'), ['file_id'], unique=False)

    op.create_table('stock_file_row',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('file_id', sa.Integer(), nullable=False),
    sa.Column('line', sa.Integer(), nullable=False),
    sa.Column('sku', sa.String(length=255), nullable=False),
    sa.Column('quantity', sa.Integer(), nullable=False),
    sa.Column('stock_item_id', sa.Integer(), nullable=True),
    sa.Column('before', sa.Integer(), nullable=True),
    sa.Column('problem', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['file_id'], ['stock_file.id'], name=op.f('fk_stock_file_row_file_id_stock_file'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['stock_item_id'], ['stock_item.id'], name=op.f('fk_stock_file_row_stock_item_id_stock_item')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_stock_file_row'))
    )
    with op.batch_alter_table('stock_file_row', schema=None) as batch_op:
        batch_op.create_index('ix_stock_file_row_file_sku', ['file_id', 'sku'], unique=False)

    op.create_table('oversell',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('stock_item_id', sa.Integer(), nullable=False),
    sa.Column('order_id', sa.Integer(), nullable=False),
    sa.Column('other_order_id', sa.Integer(), nullable=False),
    sa.Column('units', sa.Integer(), nullable=False),
    sa.Column('seen_at', models.types.Moment(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['order_id'], ['order.id'], name=op.f('fk_oversell_order_id_order'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['other_order_id'], ['order.id'], name=op.f('fk_oversell_other_order_id_order'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['stock_item_id'], ['stock_item.id'], name=op.f('fk_oversell_stock_item_id_stock_item')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_oversell')),
    sa.UniqueConstraint('order_id', 'stock_item_id', name=op.f('uq_oversell_order_id'))
    )
    with op.batch_alter_table('oversell', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_oversell_other_order_id'), ['other_order_id'], unique=False)

    op.create_table('setting_change',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('at', models.types.Moment(timezone=True), nullable=False),
    sa.Column('actor', sa.String(length=100), nullable=False),
    sa.Column('integration_id', sa.Integer(), nullable=True),
    sa.Column('subject', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=50), nullable=False),
    sa.Column('before', sa.JSON(), nullable=True),
    sa.Column('after', sa.JSON(), nullable=True),
    sa.ForeignKeyConstraint(['integration_id'], ['integration.id'], name=op.f('fk_setting_change_integration_id_integration')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_setting_change'))
    )
    with op.batch_alter_table('setting_change', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_setting_change_integration_id'), ['integration_id'], unique=False)

    op.create_table('shipment',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('order_id', sa.Integer(), nullable=False),
    sa.Column('carrier', sa.String(length=100), nullable=False),
    sa.Column('tracking_number', sa.String(length=255), nullable=False),
    sa.Column('shipped_at', models.types.Moment(timezone=True), nullable=False),
    sa.Column('actor', sa.String(length=100), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['order_id'], ['order.id'], name=op.f('fk_shipment_order_id_order'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_shipment'))
    )
    with op.batch_alter_table('shipment', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_shipment_order_id'), ['order_id'], unique=False)

    op.create_table('drift',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('listing_id', sa.Integer(), nullable=False),
    sa.Column('run_id', sa.Integer(), nullable=True),
    sa.Column('seen_at', models.types.Moment(timezone=True), nullable=False),
    sa.Column('expected', sa.Integer(), nullable=False),
    sa.Column('found', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('decided_by', sa.String(length=100), nullable=False),
    sa.Column('decided_at', models.types.Moment(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['listing_id'], ['listing.id'], name=op.f('fk_drift_listing_id_listing'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['run_id'], ['sync_run.id'], name=op.f('fk_drift_run_id_sync_run')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_drift'))
    )
    with op.batch_alter_table('drift', schema=None) as batch_op:
        batch_op.create_index('ix_drift_listing', ['listing_id'], unique=False)
        batch_op.create_index('uq_drift_open', ['listing_id'], unique=True, sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))

    op.create_table('line_part',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('order_line_id', sa.Integer(), nullable=False),
    sa.Column('stock_item_id', sa.Integer(), nullable=False),
    sa.Column('units', sa.Integer(), nullable=False),
    sa.Column('reserved', sa.Integer(), nullable=False),
    sa.CheckConstraint('reserved >= 0', name=op.f('ck_line_part_reserved_not_negative')),
    sa.CheckConstraint('units > 0', name=op.f('ck_line_part_units_positive')),
    sa.ForeignKeyConstraint(['order_line_id'], ['order_line.id'], name=op.f('fk_line_part_order_line_id_order_line'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['stock_item_id'], ['stock_item.id'], name=op.f('fk_line_part_stock_item_id_stock_item')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_line_part')),
    sa.UniqueConstraint('order_line_id', 'stock_item_id', name=op.f('uq_line_part_order_line_id'))
    )
    with op.batch_alter_table('line_part', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_line_part_stock_item_id'), ['stock_item_id'], unique=False)

    op.create_table('receipt',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('shop_id', sa.Integer(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('checked_at', models.types.Moment(timezone=True), nullable=False),
    sa.Column('shop_orders', sa.Integer(), nullable=False),
    sa.Column('our_orders', sa.Integer(), nullable=False),
    sa.Column('shop_totals', sa.JSON(), nullable=False),
    sa.Column('our_totals', sa.JSON(), nullable=False),
    sa.Column('differences', sa.JSON(), nullable=False),
    sa.Column('run_id', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['run_id'], ['sync_run.id'], name=op.f('fk_receipt_run_id_sync_run')),
    sa.ForeignKeyConstraint(['shop_id'], ['shop.id'], name=op.f('fk_receipt_shop_id_shop')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_receipt')),
    sa.UniqueConstraint('shop_id', 'day', name=op.f('uq_receipt_shop_id'))
    )
    op.create_table('shipment_line',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('shipment_id', sa.Integer(), nullable=False),
    sa.Column('order_line_id', sa.Integer(), nullable=True),
    sa.Column('sku', sa.String(length=255), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('quantity', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['order_line_id'], ['order_line.id'], name=op.f('fk_shipment_line_order_line_id_order_line'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['shipment_id'], ['shipment.id'], name=op.f('fk_shipment_line_shipment_id_shipment'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_shipment_line'))
    )
    with op.batch_alter_table('shipment_line', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_shipment_line_order_line_id'), ['order_line_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_shipment_line_shipment_id'), ['shipment_id'], unique=False)

    op.create_table('write_back',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('order_id', sa.Integer(), nullable=False),
    sa.Column('shop_id', sa.Integer(), nullable=False),
    sa.Column('event', sa.String(length=15), nullable=False),
    sa.Column('tracking_numbers', sa.JSON(), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('due_at', models.types.Moment(timezone=True), nullable=False),
    sa.Column('run_id', sa.Integer(), nullable=True),
    sa.Column('actor', sa.String(length=100), nullable=False),
    sa.Column('created_at', models.types.Moment(timezone=True), nullable=False),
    sa.Column('finished_at', models.types.Moment(timezone=True), nullable=True),
    sa.Column('status', sa.String(length=40), nullable=False),
    sa.Column('sent', sa.Boolean(), nullable=False),
    sa.Column('answer', sa.String(length=40), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('error_code', sa.String(length=30), nullable=False),
    sa.Column('error', sa.Text(), nullable=False),
    sa.Column('advice', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['order_id'], ['order.id'], name=op.f('fk_write_back_order_id_order'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['run_id'], ['sync_run.id'], name=op.f('fk_write_back_run_id_sync_run')),
    sa.ForeignKeyConstraint(['shop_id'], ['shop.id'], name=op.f('fk_write_back_shop_id_shop')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_write_back'))
    )
    with op.batch_alter_table('write_back', schema=None) as batch_op:
        batch_op.create_index('ix_write_back_due', ['shop_id', 'due_at'], unique=False, sqlite_where=sa.text("state IN ('waiting', 'sending')"), postgresql_where=sa.text("state IN ('waiting', 'sending')"))
        batch_op.create_index('ix_write_back_failed', ['shop_id'], unique=False, sqlite_where=sa.text("state = 'failed'"), postgresql_where=sa.text("state = 'failed'"))
        batch_op.create_index('ix_write_back_order', ['order_id'], unique=False)
        batch_op.create_index('uq_write_back_waiting', ['order_id'], unique=True, sqlite_where=sa.text("state = 'waiting'"), postgresql_where=sa.text("state = 'waiting'"))

    with op.batch_alter_table('integration', schema=None) as batch_op:
        batch_op.add_column(sa.Column('part_shipped_status', sa.String(length=20), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('cancelled_status', sa.String(length=20), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('shipments_on', sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.add_column(sa.Column('mail_told_at', models.types.Moment(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('shipments_due_at', models.types.Moment(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('shipments_done_at', models.types.Moment(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('receipts_due_at', models.types.Moment(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('receipts_done_at', models.types.Moment(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('undo_done_at', models.types.Moment(timezone=True), nullable=True))
        batch_op.create_index('ix_integration_receipts_due', ['receipts_due_at'], unique=False)
        batch_op.create_index('ix_integration_shipments_due', ['shipments_due_at'], unique=False)

    with op.batch_alter_table('order', schema=None) as batch_op:
        batch_op.add_column(sa.Column('cancel_unseen', sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column('called_off_at', models.types.Moment(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('accepted_codes', sa.JSON(), nullable=False, server_default='[]'))
        batch_op.add_column(sa.Column('reread_due', sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.create_index('ix_order_reread_due', ['shop_id'], unique=False, sqlite_where=sa.text('reread_due'), postgresql_where=sa.text('reread_due'))
        batch_op.create_index('ix_order_cancel_unseen', ['shop_id'], unique=False, sqlite_where=sa.text('cancel_unseen'), postgresql_where=sa.text('cancel_unseen'))

    with op.batch_alter_table('shop', schema=None) as batch_op:
        batch_op.add_column(sa.Column('stock_buffer', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('stock_cap', sa.Integer(), nullable=True))

    with op.batch_alter_table('sync_run', schema=None) as batch_op:
        batch_op.add_column(sa.Column('about_run_id', sa.Integer(), nullable=True))



def downgrade():
    with op.batch_alter_table('sync_run', schema=None) as batch_op:
        batch_op.drop_column('about_run_id')

    with op.batch_alter_table('shop', schema=None) as batch_op:
        batch_op.drop_column('stock_cap')
        batch_op.drop_column('stock_buffer')

    with op.batch_alter_table('order', schema=None) as batch_op:
        batch_op.drop_index('ix_order_cancel_unseen', sqlite_where=sa.text('cancel_unseen'), postgresql_where=sa.text('cancel_unseen'))
        batch_op.drop_index('ix_order_reread_due', sqlite_where=sa.text('reread_due'), postgresql_where=sa.text('reread_due'))
        batch_op.drop_column('reread_due')
        batch_op.drop_column('accepted_codes')
        batch_op.drop_column('called_off_at')
        batch_op.drop_column('cancel_unseen')

    with op.batch_alter_table('integration', schema=None) as batch_op:
        batch_op.drop_index('ix_integration_shipments_due')
        batch_op.drop_index('ix_integration_receipts_due')
        batch_op.drop_column('undo_done_at')
        batch_op.drop_column('receipts_done_at')
        batch_op.drop_column('receipts_due_at')
        batch_op.drop_column('shipments_done_at')
        batch_op.drop_column('shipments_due_at')
        batch_op.drop_column('mail_told_at')
        batch_op.drop_column('shipments_on')
        batch_op.drop_column('cancelled_status')
        batch_op.drop_column('part_shipped_status')

    with op.batch_alter_table('write_back', schema=None) as batch_op:
        batch_op.drop_index('uq_write_back_waiting', sqlite_where=sa.text("state = 'waiting'"), postgresql_where=sa.text("state = 'waiting'"))
        batch_op.drop_index('ix_write_back_order')
        batch_op.drop_index('ix_write_back_failed', sqlite_where=sa.text("state = 'failed'"), postgresql_where=sa.text("state = 'failed'"))
        batch_op.drop_index('ix_write_back_due', sqlite_where=sa.text("state IN ('waiting', 'sending')"), postgresql_where=sa.text("state IN ('waiting', 'sending')"))

    op.drop_table('write_back')
    with op.batch_alter_table('shipment_line', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_shipment_line_shipment_id'))
        batch_op.drop_index(batch_op.f('ix_shipment_line_order_line_id'))

    op.drop_table('shipment_line')
    op.drop_table('receipt')
    with op.batch_alter_table('line_part', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_line_part_stock_item_id'))

    op.drop_table('line_part')
    with op.batch_alter_table('drift', schema=None) as batch_op:
        batch_op.drop_index('uq_drift_open', sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))
        batch_op.drop_index('ix_drift_listing')

    op.drop_table('drift')
    with op.batch_alter_table('shipment', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_shipment_order_id'))

    op.drop_table('shipment')
    with op.batch_alter_table('setting_change', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_setting_change_integration_id'))

    op.drop_table('setting_change')
    with op.batch_alter_table('oversell', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_oversell_other_order_id'))

    op.drop_table('oversell')
    with op.batch_alter_table('stock_file_row', schema=None) as batch_op:
        batch_op.drop_index('ix_stock_file_row_file_sku')

    op.drop_table('stock_file_row')
    with op.batch_alter_table('stock_file_part', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_stock_file_part_file_id'))

    op.drop_table('stock_file_part')
    with op.batch_alter_table('stock_file', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_stock_file_state'))

    op.drop_table('stock_file')
    op.drop_table('shipment_file')
