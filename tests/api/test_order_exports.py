"""Saved exports and their files in the API."""

from __future__ import annotations

import pytest

from services.events import log, sequencer
from services.orders import export_deliveries
from tests.api.conftest import program
from tests.support.exports import deliver_to, make_export
from tests.support.remote_files import web_server
from tests.support.rows import make_integration, make_order

pytestmark = pytest.mark.config(allow_private_endpoints=("all",))


def test_an_export_is_delivered_and_its_files_are_read_sent_again_and_become_events(app, erp):
    order_id = make_order(make_integration("Outlet"), "1001", [("CUP", 1)]).id
    export_id = make_export()
    assert erp.get(f"/order-exports/{export_id}")["delivery"] is None
    assert erp.post(f"/order-exports/{export_id}/deliver").status_code == 409
    with web_server() as web:
        deliver_to(
            export_id, method="https", address=web.url("/in/"), auth="bearer", secret="token-geheim", interval_seconds=86400
        )
        web.sign_in = ("bearer", "other")
        answer = erp.post(f"/order-exports/{export_id}/deliver")
        assert answer.status_code == 202 and answer.headers["Location"] == f"/api/v1/export-deliveries?export={export_id}"
        export_deliveries.work(export_id)
        (file,) = erp.items(f"/export-deliveries?export={export_id}&state=failing")
        assert file["error"] and "token-geheim" not in str(erp.get(f"/order-exports/{export_id}"))
        web.sign_in = ()
        erp.post(f"/order-exports/{export_id}/deliver")
        export_deliveries.work(export_id)
        file = erp.get(f"/export-deliveries/{file['id']}")
        assert (file["state"], file["orders"], file["export"]) == ("done", 1, "Warehouse")
        assert erp.items(f"/export-deliveries/{file['id']}/orders") == [{"order_id": str(order_id)}]
        again = erp.post(f"/export-deliveries/{file['id']}/send-again")
        assert again.status_code == 202 and again.json["repeats"] == file["id"]
        assert erp.post(f"/export-deliveries/{again.json['id']}/drop").json["state"] == "dropped"
    sequencer.give_positions()
    events = [(each.type, each.object_id) for each in log.read_after(None, ("export.delivered", "export.failed")).events]
    assert events == [("export.failed", int(file["id"])), ("export.delivered", int(file["id"]))]
    reader = program(app, "orders:read", user="Rita", role="viewer")
    assert reader.items("/order-exports")[0]["name"] == "Warehouse"
    assert reader.post(f"/order-exports/{export_id}/deliver").status_code == 403
