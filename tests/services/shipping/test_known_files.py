"""The exports of programs that print labels: what they say beside the numbers counts too."""

from __future__ import annotations

import pytest

from services.shipping import carriers, files
from tests.support.rows import make_integration, make_item, make_order


@pytest.fixture
def desk(app) -> None:
    integration = make_integration("Shop")
    item = make_item("CUP", 99)
    for number in ("00202", "00203"):
        make_order(integration, number, [(item, 1)])


DHL = (
    "Sendungsnummer;Sendungsreferenz;internationale Sendungsnummer;Abrechnungsnummer;Empfängername;Status;Datum Status;Produkt\n"
)
FILES = {
    "ShipStation": (
        '"Order - Number","Date - Shipped Date","Shipment - Carrier","Shipment - Service","Shipment - Tracking Number"\n'
        "00202,1/2/2026,united_parcel_service,UPS Ground,1Z1\n00203,1/2/2026,FedEx,FedEx,T2\n",
        [("00202", "UPS", "1Z1", ""), ("00203", "FedEx", "T2", "")],
    ),
    "DHL Business Customer Portal": (
        DHL + "003404;00202;;123;Ann;Zugestellt;1;DHL Paket\n003405;00203;;123;Ben;Storniert;1;DHL Paket\n",
        [("00202", "DHL Paket", "003404", ""), ("00203", "DHL Paket", "003405", "The file says 'Storniert' of this row, so it is not a shipment.")],
    ),
    "DPD scan data (SCANINFO)": (
        "PARCELNO;SCAN_CODE;DEPOT_CODE;DEPOTNAME;EVENT_DATE_TIME;ROUTE;TOUR;PCODE;SERVICE;CONSIGNEE_COUNTRY_CODE;CONSIGNEE_ZIP;ADD_SERVICE_1;"
        "ADD_SERVICE_2;ADD_SERVICE_3;WEIGHT;CUSTOMER_REFERENCE;POD_IMAGE_REF;RECEIVER_NAME;INFO_TEXT;LOCATION;\n"
        "01645300186059;10;0998;Depot 0998;20260419101930;0000;;;101;276;60313;;;;500;00202;;;;;\n"
        "01645300186059;13;0998;Depot 0998;20260420081930;0000;;;101;276;60313;;;;500;00202;;;;;\n",
        [("00202", "DPD", "01645300186059", ""), ("00202", "DPD", "01645300186059", "Order 00202 is in line 2 already.")],
    ),
    "UPS WorldShip": (
        "Voided,Tracking Number,Package Reference No. 1\nN,1Z1,00202\nY,1Z2,00203\n",
        [("00202", "UPS", "1Z1", ""), ("00203", "UPS", "1Z2", "The file says 'Y' of this row, so it is not a shipment.")],
    ),
    "USPS transaction report": (
        "EPS Account #,Transaction Type,Package Identification Code (PIC),Mail Class,Cust Ref Num1,Cust Ref Num2\n"
        "1,Label Purchase,9400111,Priority Mail,00202,\n1,SCAN Form Used,7804,Priority Mail,00203,\n",
        [("00202", "USPS", "9400111", ""), ("00203", "USPS", "7804", "The file says 'SCAN Form Used' of this row, so it is not a shipment.")],
    ),
    "Royal Mail Click & Drop": (
        "Order number,Channel,Channel reference,Tracking number\n77,CSV import,00202,RM1\n", [("00202", "Royal Mail", "RM1", "")],
    ),
    "Stamps.com": (
        "Date Printed,Amount Paid,Shipment Status,Tracking #,Recipient,Carrier,Service,Refund Status,Reference 1,Order ID,Store\n"
        '08/26/2026,7.1,Delivered,"=""9300110579400002238936""",Ann,USPS,Ground,,,00202,\n08/26/2026,7.1,Printed,1Z2,Ann,UPS,Ground,,00203,,\n'
        "08/26/2026,0,Refunded,1Z3,Ann,UPS,Ground,Approved,,00203,\n08/26/2026,7,Printed,1Z4,Ann,UPS,Ground,Request Scheduled,,00203,\n",
        [
            ("00202", "USPS", "9300110579400002238936", ""), ("00203", "UPS", "1Z2", ""),
            ("00203", "UPS", "1Z3", "The file says 'Refunded' of this row, so it is not a shipment."),
            ("00203", "UPS", "1Z4", "The file says 'Request Scheduled' of this row, so it is not a shipment."),
        ],
    ),
    "Pirate Ship": (
        "Created Date,Recipient,Tracking Number,Cost,Status,Batch,Carrier,Service,Order ID,Rubber Stamp 1\n"
        "1/2,Ann,9400111,5,Printed,B1,USPS,Ground,00202,x\n1/2,Ann,9400112,5,Refunded,B1,USPS,Ground,00203,x\n",
        [("00202", "USPS", "9400111", ""), ("00203", "USPS", "9400112", "The file says 'Refunded' of this row, so it is not a shipment.")],
    ),
    "": ("number,carrier,tracking\n00202,dhl-germany,T1\n", [("00202", "DHL Paket", "T1", "")]),
}  # fmt: skip


@pytest.mark.parametrize("program", FILES)
def test_an_export_is_read_without_a_question(desk, program):
    content, rows = FILES[program]
    file = files.read_file(content.encode(), "x.csv", "test")
    assert (file.read_as, [(row["number"], row["carrier"], row["tracking"], row["problem"]) for row in file.rows]) == (
        program,
        rows,
    )


def test_a_carrier_goes_by_every_name_that_people_have_given_it(desk):
    carriers.save_carrier(None, "Bike", ["Velo 1"], "", "test")
    file = files.read_file(b"number,carrier,tracking\n00202,VELO_1,T1\n00203,Boat,T2\n", "x.csv", "test")
    assert [row["carrier"] for row in file.rows] == ["Bike", "Boat"]
