"""carriers and their tracking links

Revision ID: 0551
Revises: 0550
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0551"
down_revision = "0550"
branch_labels = None
depends_on = None

COMMON: list[tuple[str, list[str], str]] = [
    ("Australia Post", ["AusPost"], "https://auspost.com.au/mypost/track/details/{number}"),
    ("Austrian Post", ["Österreichische Post"], "https://www.post.at/s/sendungsdetails?snr={number}"),
    ("Canada Post", ["Postes Canada"], "https://www.canadapost-postescanada.ca/track-reperage/en#/search?searchFor={number}"),
    ("Colissimo", ["La Poste"], "https://www.laposte.fr/outils/suivre-vos-envois?code={number}"),
    ("Correos", [], "https://www.correos.es/es/es/herramientas/localizador/envios/detalle?tracking-number={number}"),
    ("DHL", ["DHL Express"], "https://www.dhl.com/global-en/home/tracking.html?tracking-id={number}&submit=1"),
    ("DHL Paket", ["DHL Germany"], "https://www.dhl.de/en/privatkunden/dhl-sendungsverfolgung.html?piececode={number}"),
    ("DPD", ["DPD Germany"], "https://tracking.dpd.de/status/en_US/parcel/{number}"),
    ("DPD UK", ["DPD Local"], "https://www.dpd.co.uk/apps/tracking/?reference={number}"),
    ("Evri", ["Hermes UK", "myHermes"], "https://www.evri.com/track/parcel/{number}"),
    ("FedEx", ["Federal Express"], "https://www.fedex.com/fedextrack/?trknbr={number}"),
    ("GLS", ["General Logistics Systems"], "https://gls-group.com/GROUP/en/parcel-tracking?match={number}"),
    ("Hermes", ["Hermes Germany"], "https://www.myhermes.de/empfangen/sendungsverfolgung/sendungsinformation/#{number}"),
    ("InPost", [], "https://inpost.pl/sledzenie-przesylek?number={number}"),
    ("Parcelforce", ["Parcelforce Worldwide"], "https://www.parcelforce.com/track-trace?trackNumber={number}"),
    ("Poste Italiane", [], "https://www.poste.it/cerca/index.html#/risultati-spedizioni/{number}"),
    ("PostNL", [], "https://jouw.postnl.nl/track-and-trace/{number}"),
    ("PostNord", [], "https://tracking.postnord.com/en/tracking?id={number}"),
    ("Royal Mail", [], "https://www.royalmail.com/track-your-item#/tracking-results/{number}"),
    ("Swiss Post", ["Die Post", "La Poste Suisse"], "https://service.post.ch/ekp-web/ui/entry/search/{number}"),
    ("UPS", ["United Parcel Service"], "https://www.ups.com/track?tracknum={number}"),
    ("USPS", ["United States Postal Service"], "https://tools.usps.com/go/TrackConfirmAction?tLabels={number}"),
    ("Yodel", [], "https://www.yodel.co.uk/tracking/{number}"),
]


def upgrade() -> None:
    table = op.create_table(
        "carrier",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("name_key", sa.String(300), nullable=False),
        sa.Column("aliases", sa.JSON(), nullable=False),
        sa.Column("tracking_url", sa.String(500), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carrier")),
        sa.UniqueConstraint("name_key", name=op.f("uq_carrier_name_key")),
    )
    now = datetime.now(UTC)
    op.bulk_insert(
        table,
        [
            {"name": name, "name_key": name.casefold(), "aliases": aliases, "tracking_url": url, "changed_at": now, "changed_by": ""}
            for name, aliases, url in COMMON
        ],
    )


def downgrade() -> None:
    op.drop_table("carrier")
