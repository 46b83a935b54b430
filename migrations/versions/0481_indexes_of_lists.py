"""indexes for the orders in which lists can be sorted

Revision ID: 0481
Revises: 0512
"""

from __future__ import annotations

from alembic import op

revision = "0481"
down_revision = "0512"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_order_external_id": ("order", ["external_id"]),
    "ix_order_number": ("order", ["number", "id"]),
    "ix_order_total": ("order", ["total", "id"]),
    "ix_order_customer": ("order", ["customer", "id"]),
    "ix_listing_shop_sku": ("listing", ["shop_id", "sku", "id"]),
    "ix_listing_sku": ("listing", ["sku"]),
    "ix_listing_name": ("listing", ["name", "id"]),
    "ix_listing_quantity": ("listing", ["quantity", "id"]),
    "ix_stock_item_name": ("stock_item", ["name"]),
    "ix_stock_item_updated": ("stock_item", ["updated_at"]),
    "ix_drift_seen": ("drift", ["seen_at", "id"]),
    "ix_daily_reconciliation_day": ("daily_reconciliation", ["day"]),
    "ix_incident_opened": ("incident", ["opened_at", "id"]),
}


def upgrade() -> None:
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table)
