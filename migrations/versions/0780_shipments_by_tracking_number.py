"""an index finds the shipments with a tracking number, for the search over orders

Revision ID: 0780
Revises: 0771
"""

from __future__ import annotations

from alembic import op

revision = "0780"
down_revision = "0771"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_shipment_tracking_number", "shipment", ["tracking_number"])


def downgrade() -> None:
    op.drop_index("ix_shipment_tracking_number", "shipment")
