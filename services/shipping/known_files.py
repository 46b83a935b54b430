"""The exports of programs that print labels, recognised by their headings.

Headings are compared by their letters and digits alone. Only what a public source names is here. For Stamps.com and Pirate Ship none shows the
headings of an exported file, nor for the exports of DPD Germany and DPD UK beside the field list in file_columns.py: their files are read
where they use the words there, and otherwise people assign the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.shipping.file_columns import letters


@dataclass(frozen=True, slots=True)
class KnownFile:
    """``columns`` are the headings of our fields, best first; a file has to have those of ``number`` and ``tracking``, and all ``marks``.
    ``carrier`` is that of rows that name none. A row counts as a shipment where the column ``state`` holds one of ``shipped``, or,
    without those, none of ``void``."""

    name: str
    columns: Mapping[str, tuple[str, ...]]
    marks: tuple[str, ...] = ()
    carrier: str = ""
    state: str = ""
    shipped: frozenset[str] = field(default_factory=frozenset)
    void: frozenset[str] = field(default_factory=frozenset)

    def not_shipped(self, state: str) -> str:
        """What the file says of a row that is no shipment, such as a label that was voided; empty for one that is."""
        found = " ".join(state.split()).casefold()
        counts = found in self.shipped if self.shipped else found not in self.void
        return "" if counts or (not found and not self.shipped) else state or "nothing"


SHIPSTATION = KnownFile(
    "ShipStation",
    {
        "number": ("ordernumber",), "tracking": ("shipmenttrackingnumber",), "carrier": ("shipmentcarrier", "carriername"),
    },
    marks=("shipmenttrackingnumber",),
)  # fmt: skip
"""ShipStation's export of shipments. Source: public programs that read it name ``Order - Number``, ``Shipment - Tracking Number``, ``Shipment -
Carrier``, ``Shipment - Service`` and ``Carrier - Name``; its help says that users choose the columns."""

CLICK_AND_DROP = KnownFile(
    "Royal Mail Click & Drop",
    {"number": ("channelreference",), "number_else": ("orderreference",), "tracking": ("trackingnumber",), "carrier": ("carrier",)},
    marks=("channelreference",), carrier="Royal Mail",
)  # fmt: skip
"""Its ``Order number`` is not the shop's; that is the channel reference or the order reference. Source: help.parcel.royalmail.com, *Order Import
spreadsheet field specifications*. No exported file was at hand."""

WORLDSHIP = KnownFile(
    "UPS WorldShip",
    {
        "number": (
            "packagereferenceno1", "packagereferencenumber1", "packagereference1", "shipmentreferencenumber1", "shipmentreferenceno1",
            "shipmentreference1",
        ),
        "tracking": ("packagetrackingnumber", "trackingnumber", "shipmenttrackingnumber"), "carrier": (),
    },
    carrier="UPS", state="voided", void=frozenset({"y", "yes"}),
)  # fmt: skip
"""Source: WorldShip's field names (ups.com, *Shipment Data Field Descriptions*) and the public project julian-theis/zohoinventory-upsworldship-integration,
whose readme lists ``Voided`` (Y or N) and ``Tracking Number`` among the columns of such an export."""

DHL_BUSINESS = KnownFile(
    "DHL Business Customer Portal",
    {"number": ("sendungsreferenz",), "tracking": ("sendungsnummer",), "carrier": ()},
    carrier="DHL Paket", state="status", void=frozenset({"storniert"}),
)  # fmt: skip
"""The list of shipments of DHL's Geschäftskundenportal, with semicolons: ``Sendungsnummer``, ``Sendungsreferenz``, ``internationale
Sendungsnummer``, ``Abrechnungsnummer``, ``Empfängername`` … ``Status``, ``Produkt``, ``Services``. Source: the public project
xelth-com/eckwmsgo (internal/delivery/dhl), which reads that download, and knows the status ``Storniert``."""

USPS_EPS = KnownFile(
    "USPS transaction report",
    {"number": ("custrefnum1", "custrefnum2"), "tracking": ("packageidentificationcodepic",), "carrier": ()},
    carrier="USPS", state="transactiontype", shipped=frozenset({"label purchase"}),
)  # fmt: skip
"""The report of the Enterprise Payment System, one row a transaction, of which only ``Label Purchase`` is a parcel. Source: sample file in the
documentation of Trackstar (docs.trackstarhq.com, carrier API, USPS)."""

KNOWN = (SHIPSTATION, CLICK_AND_DROP, WORLDSHIP, DHL_BUSINESS, USPS_EPS)


def recognise(headings: Sequence[str]) -> tuple[KnownFile, dict[str, str]] | None:
    """The export with these headings, with the heading of each of our fields and of its state. None for any other file, and where a
    heading stands twice."""
    given = [letters(heading) for heading in headings]
    for known in KNOWN:
        fields = {**known.columns, "state": (known.state,)}
        found = {name: next((word for word in words if word in given), "") for name, words in fields.items()}
        complete = bool(found["number"] and found["tracking"]) and set(known.marks) <= set(given)
        if complete and all(given.count(word) == 1 for word in found.values() if word):
            return known, {name: headings[given.index(word)] for name, word in found.items() if word}
    return None
