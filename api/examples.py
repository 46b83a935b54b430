"""Example calls of every operation, for the document and the pages that render it: as curl and as Python, ready to run.

Both take the address and the token from CARTLINK_URL and CARTLINK_TOKEN. A test runs each against a Cartlink that is served."""

from __future__ import annotations

import json
import pprint
import shlex
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.operations import Operation
from services.shops.kinds import list_kinds

BASE = "/api/v1"
SIGNED_WITH = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The example of Standard Webhooks."""
SAMPLES: Mapping[str, Any] = {"version": "5bc9f005cad10cc4", "found_at": "2026-11-26T20:24:16.614000Z"}
ANY_ID = "17"
QUERIES = {
    "list_orders": "state=ready&limit=10",
    "get_order": "expand=shipments,write_backs",
    "list_stock_items": "available_max=0",
    "list_events": "after=0&limit=100",
    "list_write_backs": "limit=10",
    "list_deliveries": "limit=10",
}
"""The query of an operation that is of more use with one."""
BODIES: dict[str, Any] = {
    "accept_order": {"code": "sums"},
    "change_tags": {"add": ["gift"]},
    "add_note": {"text": "Call first."},
    "create_shipment": {"carrier": "DHL", "tracking_number": "JJD000390007882823"},
    "create_shipments": {"rows": [{"order_id": "{order_id}", "carrier": "DHL", "tracking_number": "JJD000390007882823"}]},
    "change_tracking": {"carrier": "DHL", "tracking_number": "JJD000390007882824"},
    "create_stock_item": {"sku": "NEW-SKU", "name": "New item", "on_hand": 12},
    "change_stock_item": {"on_hand": 20},
    "adjust_stock_item": {"delta": -1, "reason": "broken", "reference": "RMA-7"},
    "change_stock_items": {"rows": [{"sku": "{sku}", "set": 30, "expected": 10}], "atomic": True},
    "create_event_endpoint": {
        "name": "ERP", "url": "https://erp.example/events", "secret": SIGNED_WITH, "types": ["order.created", "order.shipped"],
    },
    "change_event_endpoint": {"types": ["order.created"]},
    "rotate_event_endpoint_secret": {"secret": SIGNED_WITH},
    "resume_event_endpoint": {"replay": True},
    "test_event_endpoint": {"type": "test"},
    "replay_events": {"after": "0"},
    "create_integration": {
        "kind": list_kinds()[0].kind, "name": "Garden shop", "endpoint": "https://garden.example/", "api_key": "the key for reading and writing",
    },
    "approve_stock_import": {"add_unknown": False},
    "create_carrier": {"name": "Bike Express", "other_names": ["bike"]},
    "change_carrier": {"other_names": ["bike", "velo"]},
    "create_file_preset": {
        "kind": "stock", "name": "ACME stock list", "headings": ["Art. Nr", "Lager"], "columns": {"sku": "Art. Nr", "quantity": "Lager"},
        "options": {"words": {"auf Lager": 5}},
    },
    "change_file_preset": {"name": "ACME"},
    "approve_stock_preview": {"run_id": "{run_id}"},
    "approve_missing_listings": {"found_at": "{found_at}"},
    "approve_deleted_orders": {"orders": 7},
    "settle_drift": {"whose": "ours"},
    "settle_identity": {"same_order": True},
    "settle_rename": {"same_goods": True},
    "create_supplier": {"name": "Northern Wholesale", "lead_days": 3},
    "change_supplier": {"lead_days": 5},
    "create_feed": {
        "supplier_id": "{supplier_id}", "name": "Outlet", "method": "https", "address": "https://supplier.example/stock.csv",
        "auth": "bearer", "secret": "the supplier's token",
    },
    "change_feed": {"interval_seconds": 3600, "zero_percent": 30},
    "confirm_host_key": {"host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGRlbW8="},
    "approve_feed_run": {"make_fed": True},
    "link_offer": {"sku": "{sku}", "units": 6},
    "create_item_of_offer": {"sku": "FROM-SUPPLIER", "name": "From the supplier"},
    "ignore_offer": {"ignored": True},
    "set_fed": {"fed": True, "rule": "sum"},
    "change_listing": {"do_not_push": True},
    "create_links": {"listing_id": "{listing_id}", "parts": [{"sku": "{sku}", "units": 2}]},
    "change_settings": {"use_tax": True, "stock_buffer": 1, "stock_cap": None},
    "undo_stock_update": {"where": "both"},
    "start_run": {"integration_id": "{integration_id}", "kind": "listings"},
}  # fmt: skip
"""The body of each operation that takes one."""


FILES = {"create_stock_import": "sku,quantity\nCUP,12\nPLATE,7\n"}
"""The file of each operation that takes one, of its first media type."""


class _Samples(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "CUP" if name == "sku" else ANY_ID


@dataclass(frozen=True, slots=True)
class Example:
    """One request. ``version`` is what ``If-Match`` names, empty for none; ``key`` is true where it needs an Idempotency-Key. ``file`` is its body where that
    is no JSON."""

    method: str
    address: str
    body: Any
    version: str
    key: bool
    answers: bool
    file: str = ""
    media_type: str = ""

    def as_curl(self) -> str:
        lines = [f'curl -sS --fail-with-body -X {self.method} "$CARTLINK_URL{self.address}"' if self.method != "GET"
                 else f'curl -sS --fail-with-body "$CARTLINK_URL{self.address}"', '-H "Authorization: Bearer $CARTLINK_TOKEN"']  # fmt: skip
        if self.key:
            lines.append('-H "Idempotency-Key: $(openssl rand -hex 16)"')
        if self.version:
            lines.append(f"-H 'If-Match: \"{self.version}\"'")
        if self.body is not None:
            lines += ['-H "Content-Type: application/json"', f"-d {shlex.quote(json.dumps(self.body, ensure_ascii=False))}"]
        if self.file:
            lines += [f'-H "Content-Type: {self.media_type}"', f"--data-binary {shlex.quote(self.file)}"]
        return " \\\n  ".join(lines)

    def as_python(self) -> str:
        headers = ['"Authorization": "Bearer " + os.environ["CARTLINK_TOKEN"],']
        if self.key:
            headers.append('"Idempotency-Key": str(uuid.uuid4()),')
        if self.version:
            headers.append(f'"If-Match": \'"{self.version}"\',')
        if self.file:
            headers.append(f'"Content-Type": "{self.media_type}",')
        parts = [f'os.environ["CARTLINK_URL"] + "{self.address}",', "headers={", *(f"    {line}" for line in headers), "},"]
        if self.body is not None:
            parts += f"json={pprint.pformat(self.body, width=80, sort_dicts=False)},".split("\n")
        if self.file:
            parts.append(f"data={self.file!r},")
        imports = "import os\nimport uuid\n" if self.key else "import os\n"
        call = textwrap.indent("\n".join([*parts, "timeout=30,"]), "    ")
        shown = "print(answer.json())" if self.answers else "print(answer.status_code)"
        return f"{imports}\nimport requests\n\nanswer = requests.{self.method.lower()}(\n{call}\n)\nanswer.raise_for_status()\n{shown}"


def example_of(made: Operation, given: Mapping[str, Any] = SAMPLES) -> Example:
    """The example of an operation, with ids, ``sku`` and ``version`` from ``given``; where it lacks one, with one made up."""
    values = _Samples(given)
    path = made.path.replace("<int:", "{").replace(">", "}").format_map(values)
    query = f"?{QUERIES[made.name]}" if made.name in QUERIES else ""
    return Example(
        made.method, f"{BASE}{path}{query}", body_of(made, values), values["version"] if made.conditional else "", made.acts,
        any(kind is not None for kind in made.answers.values()), FILES.get(made.name, ""), made.media_types[0] if made.media_types else "",
    )  # fmt: skip


def body_of(made: Operation, given: Mapping[str, Any] = SAMPLES) -> Any:
    """The body of the example; None where the operation takes none."""
    return None if made.body is None else _filled(BODIES.get(made.name), _Samples(given))


def _filled(value: Any, values: _Samples) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, values) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, values) for each in value]
    return str(values[value[1:-1]]) if isinstance(value, str) and value[:1] == "{" else value
