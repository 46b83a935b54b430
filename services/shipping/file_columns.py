"""The headings under which programs that print labels name an order, a carrier and a tracking number.

Headings are compared by their letters and digits alone: ``Package Reference No. 1``, ``PackageReferenceNo1`` and
``package_reference_no_1`` are the same. The source of each is noted beside it. Programs let their users rename columns:
assigning columns by hand is a separate feature.
"""

from __future__ import annotations

from collections.abc import Sequence

from channels import CHANNELS

OWN: dict[str, tuple[str, ...]] = {
    "number": ("number", "order number", "order no", "order"),
    "carrier": ("carrier", "courier", "shipping carrier"),
    "tracking": ("tracking number", "tracking no", "tracking"),
    "shop": ("integration", "shop", "channel"),
    "id": ("id", "shop id", "shop order id", "external id"),
}
"""Our own words, best first."""

CHANNEL_REFERENCE = "channelreference"
"""Royal Mail Click & Drop: its ``Order number`` is not the shop's, and the shop's number is the channel reference or the order
reference (help.parcel.royalmail.com). No exported file was at hand."""

NUMBERS = (
    # Royal Mail Click & Drop; Pirate Ship (``Order ID``, no exported file was at hand).
    "orderreference", "orderid",
    # UPS WorldShip and UPS's shipping history: as public programs that read such files name them, and WorldShip's field names
    # (ups.com, Shipment Data Field Descriptions).
    "packagereferenceno1", "packagereferencenumbervalue1", "packagereferencenumber1", "packagereference1", "referenceno1",
    "referencenumber1", "reference1", "referencenumbers", "referencenumber", "shipmentreferencenumber1", "shipmentreferenceno1",
    "shipmentreference1",
    # DPD: the references of DPD Shipper's field list (doc.dpd.be), in English, German and Dutch.
    "customerreference", "customerreference1", "customerref1", "customerref", "parcelreference1", "shipperreference",
    "recipientreference", "kundenreferenz", "kundenreferenz1", "referenz", "referenz1", "klantreferentie", "referentie",
    "referentie1", "reference",
)  # fmt: skip
"""Headings that may name an order where a file has none of our words, best first. Alone they say too little: the file has to
have a tracking number as well."""

OTHERS = {
    # ``Shipment - Carrier`` or ``Carrier - Name``: ShipStation, as public programs that read its export name them.
    "carrier": ("shipmentcarrier", "carriername"),
    # WorldShip; ShipStation; DPD: ``Parcel number`` and ``Pakketnummer`` hold the tracking number (a published description of the
    # files of DPD Insights).
    "tracking": (
        "packagetrackingnumber", "shipmenttrackingnumber", "parcelnumber", "parcelno", "pakketnummer", "paketnummer",
        "paketscheinnummer",
    ),
}  # fmt: skip
ELSE = "number_else"
"""The column that names the order in rows where the first one is empty."""
OTHER = "number_other"
"""A second column under one of our own words for an order's number. Which of them is meant nobody knows where they differ."""


def choose(headings: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The columns of a file with these headings, for csv_files.read."""
    given: dict[str, str] = {}
    for heading in headings:
        given.setdefault(letters(heading), heading)
    found = {name: _first(given, words) for name, words in OWN.items()}
    if reference := given.get(CHANNEL_REFERENCE):
        found |= {"number": reference, ELSE: given.get("orderreference", "")}
    else:
        found[OTHER] = next((heading for heading in _all(given, OWN["number"]) if heading != found["number"]), "")
    # A package has its own number where the file names one for the shipment too.
    found["tracking"] = _first(given, OTHERS["tracking"][:1]) or found["tracking"] or _first(given, OTHERS["tracking"])
    found["carrier"] = found["carrier"] or _first(given, OTHERS["carrier"])
    if not found["number"] and found["tracking"]:
        found["number"] = _first(given, NUMBERS)
    # A file may name orders by the shop's id alone.
    found["number"] = found["number"] or found["id"]
    return {**OWN, **{name: (heading,) for name, heading in found.items() if heading}}


def _first(given: dict[str, str], words: Sequence[str]) -> str:
    """The heading of a file for the best of some words; empty where it has none of them."""
    return next(iter(_all(given, words)), "")


def _all(given: dict[str, str], words: Sequence[str]) -> list[str]:
    return [given[letters(word)] for word in words if letters(word) in given]


def letters(heading: str) -> str:
    """A heading as it is compared."""
    return "".join(each for each in heading if each.isalnum())


NEUTRAL = frozenset(
    (*CHANNELS, "manual", "manualimport", "manualorder", "manualorders", "csv", "csvimport", "fileimport", "import", "api")
)


def is_neutral(channel: str) -> bool:
    """Whether a program's word for where an order came from says no more than that it was handed over, as by a file."""
    return letters(channel.casefold()) in NEUTRAL
