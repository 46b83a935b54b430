"""every order line takes from stock through allocations

Revision ID: 0410
Revises: 0351
Create Date: 2026-11-26 16:30:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = "0410"
down_revision = "0351"
branch_labels = None
depends_on = None

UNITS = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
ALONE = """
    a.units = 1 AND NOT EXISTS (
        SELECT 1 FROM allocation AS other WHERE other.order_line_id = a.order_line_id AND other.stock_item_id <> a.stock_item_id
    )
"""
"""Allocations of ordinary lines: one stock item, one unit a piece. All others are kits."""


def upgrade():
    op.create_table('allocation',
    sa.Column('order_line_id', sa.Integer(), nullable=False),
    sa.Column('stock_item_id', sa.Integer(), nullable=False),
    sa.Column('units', UNITS, nullable=False),
    sa.Column('reserved', UNITS, nullable=False),
    sa.CheckConstraint('reserved >= 0', name=op.f('ck_allocation_reserved_not_negative')),
    sa.CheckConstraint('units > 0', name=op.f('ck_allocation_units_positive')),
    sa.ForeignKeyConstraint(['order_line_id'], ['order_line.id'], name=op.f('fk_allocation_order_line_id_order_line'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['stock_item_id'], ['stock_item.id'], name=op.f('fk_allocation_stock_item_id_stock_item')),
    sa.PrimaryKeyConstraint('order_line_id', 'stock_item_id', name=op.f('pk_allocation')),
    )
    op.execute("""
        INSERT INTO allocation (order_line_id, stock_item_id, units, reserved)
        SELECT id, stock_item_id, 1, reserved FROM order_line WHERE stock_item_id IS NOT NULL
        UNION ALL
        SELECT p.order_line_id, p.stock_item_id, p.units, p.reserved FROM line_part AS p
        JOIN order_line AS l ON l.id = p.order_line_id WHERE l.stock_item_id IS NULL
        ORDER BY 1, 2
    """)
    op.create_index(op.f('ix_allocation_stock_item_id'), 'allocation', ['stock_item_id'], unique=False)
    op.drop_table('line_part')
    with op.batch_alter_table('order_line', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_order_line_stock_item_id'))
        batch_op.drop_constraint(batch_op.f('fk_order_line_stock_item_id_stock_item'), type_='foreignkey')
        batch_op.drop_column('reserved')
        batch_op.drop_column('stock_item_id')


def downgrade():
    with op.batch_alter_table('order_line', schema=None) as batch_op:
        batch_op.add_column(sa.Column('stock_item_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('reserved', UNITS, nullable=False, server_default='0'))
        batch_op.create_foreign_key(batch_op.f('fk_order_line_stock_item_id_stock_item'), 'stock_item', ['stock_item_id'], ['id'])
    op.create_table('line_part',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('order_line_id', sa.Integer(), nullable=False),
    sa.Column('stock_item_id', sa.Integer(), nullable=False),
    sa.Column('units', UNITS, nullable=False),
    sa.Column('reserved', UNITS, nullable=False),
    sa.CheckConstraint('reserved >= 0', name=op.f('ck_line_part_reserved_not_negative')),
    sa.CheckConstraint('units > 0', name=op.f('ck_line_part_units_positive')),
    sa.ForeignKeyConstraint(['order_line_id'], ['order_line.id'], name=op.f('fk_line_part_order_line_id_order_line'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['stock_item_id'], ['stock_item.id'], name=op.f('fk_line_part_stock_item_id_stock_item')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_line_part')),
    sa.UniqueConstraint('order_line_id', 'stock_item_id', name=op.f('uq_line_part_order_line_id')),
    )
    op.create_index(op.f('ix_line_part_stock_item_id'), 'line_part', ['stock_item_id'], unique=False)
    # A line reserves as many whole pieces as its scarcest stock item makes.
    op.execute(f"""
        UPDATE order_line SET
            reserved = COALESCE((SELECT min(a.reserved / a.units) FROM allocation AS a WHERE a.order_line_id = order_line.id), 0),
            stock_item_id = (SELECT a.stock_item_id FROM allocation AS a WHERE a.order_line_id = order_line.id AND {ALONE})
        WHERE id IN (SELECT order_line_id FROM allocation)
    """)
    op.execute(f"""
        INSERT INTO line_part (order_line_id, stock_item_id, units, reserved)
        SELECT a.order_line_id, a.stock_item_id, a.units, a.reserved FROM allocation AS a WHERE NOT ({ALONE})
        ORDER BY a.order_line_id, a.stock_item_id
    """)
    op.create_index(op.f('ix_order_line_stock_item_id'), 'order_line', ['stock_item_id'], unique=False)
    op.drop_table('allocation')
