"""The webhook for incidents becomes an event endpoint

Its address is encrypted from now on. Its secret signs as before: the new form of it is ``whsec_`` and the base64 of the old text, so that either can
be made of the other, and channels/event_calls.py knows such a secret. Calls that wait are sent as they stand.

Revision ID: 0570
Revises: 0540
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0570"
down_revision = "0540"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
NAME = "Incidents (webhook)"
TYPES = ["incident.opened", "incident.resolved"]
TOPICS = ["key", "outage", "flows", "waiting", "silence"]
OLD, NEW = b"whsec_", "whsec_"

WEBHOOK = sa.table(
    "webhook", sa.column("id"), sa.column("url"), sa.column("secret_encrypted", sa.LargeBinary), sa.column("topics", sa.JSON),
    sa.column("enabled", sa.Boolean), sa.column("changed_at", MOMENT), sa.column("changed_by"), sa.column("good_at", MOMENT), sa.column("error"),
)  # fmt: skip
ENDPOINT = sa.table(
    "event_endpoint", sa.column("id", sa.Integer), sa.column("name"), sa.column("place"), sa.column("url_encrypted", sa.LargeBinary),
    sa.column("secret_encrypted", sa.LargeBinary), sa.column("types", sa.JSON), sa.column("enabled", sa.Boolean), sa.column("position"),
    sa.column("failures"), sa.column("warned"), sa.column("due_at", MOMENT), sa.column("good_at", MOMENT), sa.column("error"),
    sa.column("created_at", MOMENT), sa.column("changed_at", MOMENT), sa.column("changed_by"),
)  # fmt: skip
DELIVERY = sa.table(
    "delivery", sa.column("key"), sa.column("way"), sa.column("content", sa.JSON), sa.column("state"), sa.column("tries"),
    sa.column("due_at", MOMENT), sa.column("created_at", MOMENT),
)  # fmt: skip
EVENT_DELIVERY = sa.table(
    "event_delivery", sa.column("id"), sa.column("endpoint_id"), sa.column("key"), sa.column("type"), sa.column("content", sa.JSON),
    sa.column("state"), sa.column("tries"), sa.column("due_at", MOMENT), sa.column("created_at", MOMENT),
)  # fmt: skip


def upgrade() -> None:
    bind = op.get_bind()
    for row in bind.execute(sa.select(WEBHOOK)).all():
        _keep_waiting(bind, _add_endpoint(bind, row))
    bind.execute(sa.delete(DELIVERY).where(DELIVERY.c.way == "webhook"))
    with op.batch_alter_table("delivery") as batch:
        batch.drop_index(op.f("ix_delivery_webhook_id"))
        batch.drop_constraint(op.f("fk_delivery_webhook_id_webhook"), type_="foreignkey")
        batch.drop_column("webhook_id")
        batch.drop_column("way")
    op.drop_table("webhook")


def downgrade() -> None:
    op.create_table(
        "webhook",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("secret_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("topics", sa.JSON(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("changed_by", sa.String(100), nullable=False),
        sa.Column("good_at", MOMENT),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
    )
    with op.batch_alter_table("delivery") as batch:
        batch.add_column(sa.Column("way", sa.String(10), server_default="mail", nullable=False))
        batch.add_column(sa.Column("webhook_id", sa.Integer()))
        batch.create_foreign_key(op.f("fk_delivery_webhook_id_webhook"), "webhook", ["webhook_id"], ["id"], ondelete="CASCADE")
        batch.create_index(op.f("ix_delivery_webhook_id"), ["webhook_id"])
    bind = op.get_bind()
    for row in bind.execute(sa.select(ENDPOINT).order_by(ENDPOINT.c.id)).all():
        if _back_to_webhook(bind, row):
            break


def _add_endpoint(bind: sa.Connection, row: sa.Row) -> int:
    from services.events.endpoints import place_of
    from services.security import vault

    secret = NEW + base64.b64encode(vault.decrypt(row.secret_encrypted).encode()).decode()
    now = datetime.now(UTC)
    position = bind.scalar(sa.text("SELECT position FROM event_state")) or 0
    added = sa.insert(ENDPOINT).values(
        name=NAME, place=place_of(row.url), url_encrypted=vault.encrypt(row.url), secret_encrypted=vault.encrypt(secret), types=TYPES,
        enabled=row.enabled, position=position, failures=0, warned=0, due_at=now, good_at=row.good_at, error=row.error or "",
        created_at=now, changed_at=row.changed_at, changed_by=row.changed_by,
    )  # fmt: skip
    return int(bind.scalar(added.returning(ENDPOINT.c.id)) or 0)


def _keep_waiting(bind: sa.Connection, endpoint_id: int) -> None:
    waiting = sa.select(DELIVERY).where(DELIVERY.c.way == "webhook", DELIVERY.c.state.in_(("waiting", "sending")))
    for row in bind.execute(waiting).all():
        bind.execute(
            sa.insert(EVENT_DELIVERY).values(
                endpoint_id=endpoint_id, key=row.key, type=row.content["type"], content=row.content, state="waiting", tries=row.tries,
                due_at=row.due_at, created_at=row.created_at,
            )
        )  # fmt: skip


def _back_to_webhook(bind: sa.Connection, row: sa.Row) -> bool:
    """Whether the endpoint was a webhook: its secret is one in another form."""
    from services.security import vault

    try:
        secret = base64.b64decode(vault.decrypt(row.secret_encrypted).removeprefix(NEW), validate=True)
    except (binascii.Error, ValueError):
        return False
    if not secret.startswith(OLD):
        return False
    bind.execute(
        sa.insert(WEBHOOK).values(
            url=vault.decrypt(row.url_encrypted), secret_encrypted=vault.encrypt(secret.decode()), topics=TOPICS, enabled=row.enabled,
            changed_at=row.changed_at, changed_by=row.changed_by, good_at=row.good_at, error=row.error,
        )
    )  # fmt: skip
    of_endpoint = {"id": row.id}
    bind.execute(
        sa.text("DELETE FROM event_attempt WHERE delivery_id IN (SELECT id FROM event_delivery WHERE endpoint_id = :id)"), of_endpoint
    )
    bind.execute(sa.text("DELETE FROM event_delivery WHERE endpoint_id = :id"), of_endpoint)
    bind.execute(sa.text("DELETE FROM event_endpoint WHERE id = :id"), of_endpoint)
    return True
