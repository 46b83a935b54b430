"""The exports of programs that print labels, recognised by their headings.

Headings are compared by their letters and digits alone. Only what a public source names is here. None was found that shows the headings of a
file exported by DPD UK, and the public documents of DPD Germany show those of its scan data alone: other files of theirs are read where they
use the words in file_columns.py, and otherwise people assign the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.shipping.file_columns import letters


@dataclass(frozen=True, slots=True)
class State:
    """A column that tells which rows are shipments: those where it holds one of ``shipped``, or, without those, none of ``void``."""

    column: str
    shipped: frozenset[str] = frozenset()
    void: frozenset[str] = frozenset()

    def not_shipped(self, cell: str) -> str:
        """What the file says of a row that is no shipment, such as a label that was voided; empty for one that is."""
        found = " ".join(cell.split()).casefold()
        counts = found in self.shipped if self.shipped else found not in self.void
        return "" if counts else cell or "nothing"


@dataclass(frozen=True, slots=True)
class KnownFile:
    """``columns`` are the headings of our fields, best first; a file has to have those of ``number`` and ``tracking``, and all ``marks``.
    ``carrier`` is that of rows that name none. A row is a shipment where all ``states`` say so."""

    name: str
    columns: Mapping[str, tuple[str, ...]]
    marks: tuple[str, ...] = ()
    carrier: str = ""
    states: tuple[State, ...] = ()

    def not_shipped(self, cells: Mapping[str, str]) -> str:
        """What the file says of a row that is no shipment; empty for one that is. ``cells`` are by the columns of the states."""
        said = (state.not_shipped(cells[state.column]) for state in self.states if state.column in cells)
        return next((each for each in said if each), "")


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
    carrier="UPS", states=(State("voided", void=frozenset({"y", "yes"})),),
)  # fmt: skip
"""Source: WorldShip's field names (ups.com, *Shipment Data Field Descriptions*) and the public project julian-theis/zohoinventory-upsworldship-integration,
whose readme lists ``Voided`` (Y or N) and ``Tracking Number`` among the columns of such an export."""

DHL_BUSINESS = KnownFile(
    "DHL Business Customer Portal",
    {"number": ("sendungsreferenz",), "tracking": ("sendungsnummer",), "carrier": ()},
    carrier="DHL Paket", states=(State("status", void=frozenset({"storniert"})),),
)  # fmt: skip
"""The list of shipments of DHL's Geschäftskundenportal, with semicolons: ``Sendungsnummer``, ``Sendungsreferenz``, ``internationale
Sendungsnummer``, ``Abrechnungsnummer``, ``Empfängername`` … ``Status``, ``Produkt``, ``Services``. Source: the public project
xelth-com/eckwmsgo (internal/delivery/dhl), which reads that download, and knows the status ``Storniert``."""

DPD_SCANS = KnownFile(
    "DPD scan data (SCANINFO)",
    {"number": ("customerreference",), "tracking": ("parcelno",), "carrier": ()},
    marks=("scancode", "eventdatetime"), carrier="DPD",
)  # fmt: skip
"""What DPD Germany offers its customers by SFTP, with semicolons: ``PARCELNO``, ``SCAN_CODE``, ``DEPOT_CODE``, ``DEPOTNAME``, ``EVENT_DATE_TIME`` …
``CUSTOMER_REFERENCE``, ``POD_IMAGE_REF`` … A parcel has a row for each scan; the first one counts. Source: a public Java program that writes
such a file (ba.enox.codebase.algorithms.utils.ReadFromFileAndSaveInFile); AEB's overview of carriers names the file and the way."""

USPS_EPS = KnownFile(
    "USPS transaction report",
    {"number": ("custrefnum1", "custrefnum2"), "tracking": ("packageidentificationcodepic",), "carrier": ()},
    carrier="USPS", states=(State("transactiontype", shipped=frozenset({"label purchase"})),),
)  # fmt: skip
"""The report of the Enterprise Payment System, one row a transaction, of which only ``Label Purchase`` is a parcel. Source: sample file in the
documentation of Trackstar (docs.trackstarhq.com, carrier API, USPS)."""

STAMPS = KnownFile(
    "Stamps.com",
    {"number": ("orderid",), "number_else": ("reference1",), "tracking": ("tracking",), "carrier": ("carrier",)},
    marks=("dateprinted",), carrier="USPS",
    states=(
        State("shipmentstatus", void=frozenset({"refunded"})), State("refundstatus", void=frozenset({"approved", "request scheduled"})),
    ),
)  # fmt: skip
"""The print history of Stamps.com: ``Date Printed``, ``Amount Paid`` … ``Shipment Status``, ``Tracking #``, ``Date Delivered``, ``Recipient`` …
``Carrier``, ``Service`` … ``Refund Status`` … ``Reference 1`` … ``Order ID``, ``Store`` …; numbers of USPS stand there as ``="9400…"``. Source: the exported
file in the public project AlbaceteMedDev/OvenaHealth (test/fixtures/print-history-2026-07-22.csv), whose parser knows these states."""

PIRATE_SHIP = KnownFile(
    "Pirate Ship",
    {"number": ("orderid",), "tracking": ("trackingnumber",), "carrier": ("carrier",)},
    marks=("batch", "rubberstamp1"), states=(State("status", void=frozenset({"refunded"})),),
)  # fmt: skip
"""The export of Pirate Ship's shipments, CSV or Excel: ``Created Date``, ``Recipient``, ``Company``, ``Email``, ``Tracking Number``, ``Cost``, ``Status``,
``Batch`` … ``Carrier``, ``Service``, ``Order ID``, ``Rubber Stamp 1`` … Source: the public project hackclub/chronicle, which reads such a file
(src/main/java/com/hackclub/clubs/models/PirateShipEntry.java). A public description of the report's filters names the states Printed and
Refunded (glama.ai, *Pirate Ship MCP Server*, export_shipments)."""

KNOWN = (SHIPSTATION, CLICK_AND_DROP, WORLDSHIP, DHL_BUSINESS, DPD_SCANS, USPS_EPS, STAMPS, PIRATE_SHIP)


def recognise(headings: Sequence[str]) -> tuple[KnownFile, dict[str, str]] | None:
    """The export with these headings, with the heading of each of our fields and of its states. None for any other file, and where a
    heading stands twice."""
    given = [letters(heading) for heading in headings]
    for known in KNOWN:
        fields = {**known.columns, **{state.column: (state.column,) for state in known.states}}
        found = {name: next((word for word in words if word in given), "") for name, words in fields.items()}
        complete = bool(found["number"] and found["tracking"]) and set(known.marks) <= set(given)
        if complete and all(given.count(word) == 1 for word in found.values() if word):
            return known, {name: headings[given.index(word)] for name, word in found.items() if word}
    return None
