"""drafts, the shop's own statuses, orders that wait to be read again

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-23 16:40:00

"""

import sqlalchemy as sa
from alembic import op

import models.types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "draft",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(length=43), nullable=False),
        sa.Column("purpose", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("integration_id", sa.Integer(), nullable=True),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("created_at", models.types.Moment(timezone=True), nullable=False),
        sa.Column("expires_at", models.types.Moment(timezone=True), nullable=False),
        sa.Column("answers_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("found_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("check_state", sa.String(length=10), nullable=False),
        sa.Column("check_ticket", sa.String(length=32), nullable=False),
        sa.Column("check_asked_at", models.types.Moment(timezone=True), nullable=True),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["integration_id"], ["integration.id"], name=op.f("fk_draft_integration_id_integration")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draft")),
        sa.UniqueConstraint("token", name=op.f("uq_draft_token")),
    )
    with op.batch_alter_table("draft") as batch:
        batch.create_index(batch.f("ix_draft_actor"), ["actor"])
        batch.create_index(batch.f("ix_draft_expires_at"), ["expires_at"])
    with op.batch_alter_table("integration") as batch:
        batch.add_column(sa.Column("statuses", sa.JSON(), nullable=False, server_default="[]"))
        batch.add_column(sa.Column("evaluate_due_at", models.types.Moment(timezone=True), nullable=True))
    with op.batch_alter_table("integration") as batch:
        batch.alter_column("statuses", existing_type=sa.JSON(), server_default=None)
    with op.batch_alter_table("listing") as batch:
        failed = sa.text("push_error != ''")
        batch.create_index("ix_listing_failed", ["shop_id"], sqlite_where=failed, postgresql_where=failed)


def downgrade():
    with op.batch_alter_table("listing") as batch:
        batch.drop_index("ix_listing_failed")
    with op.batch_alter_table("integration") as batch:
        batch.drop_column("evaluate_due_at")
        batch.drop_column("statuses")
    op.drop_table("draft")
