"""A seller's day through a client that openapi-python-client has made from the document: orders in, a batch of stock, an order shipped in two
parcels, and events followed by polling and by webhook.

    python -m tests.api.sellers_day FOLDER

FOLDER holds the package ``cartlink_client`` (tests/api/test_generated_client.py makes it). CARTLINK_URL and CARTLINK_TOKEN say where Cartlink is,
which has to be allowed to call 127.0.0.1:WEBHOOK_PORT."""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any

from standardwebhooks.webhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WANTED = {"stock_item.changed", "shipment.created", "order.shipped", "write_back.created", "write_back.done"}
PATIENCE = float(os.environ.get("SELLERS_DAY_SECONDS") or 120)


class Api:
    """The generated package: ``api.orders.list_orders(…)`` calls the operation and raises where the answer is a problem."""

    def __init__(self, url: str, token: str):
        self.client = import_module("cartlink_client").AuthenticatedClient(base_url=f"{url}/api/v1", token=token, timeout=None)
        self.models = import_module("cartlink_client.models")

    def call(self, resource: str, operation: str, *values: Any, **options: Any) -> Any:
        module = import_module(f"cartlink_client.api.{resource}.{operation}")
        if "idempotency_key" in module.sync_detailed.__annotations__:
            options["idempotency_key"] = str(uuid.uuid4())
        answer = module.sync_detailed(*values, client=self.client, **options)
        assert answer.parsed is not None and answer.status_code < 300, (operation, answer.status_code, answer.content)
        return answer.parsed


def wait_for(what: str, ask: Callable[[], Any]) -> Any:
    """What is asked for once it is true. Raises AssertionError."""
    until = time.monotonic() + PATIENCE
    while not (answer := ask()):
        assert time.monotonic() < until, f"{what} did not happen"
        time.sleep(0.5)
    return answer


@contextmanager
def receiver(port: int) -> Iterator[tuple[str, dict[str, str]]]:
    """A receiver of events on this machine: its address, and the types of the genuine events that came, by id."""
    came: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            event = Webhook(SECRET).verify(body, {name.lower(): value for name, value in self.headers.items()})
            came[event["id"]] = event["type"]
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def follow(api: Api, after: str, seen: dict[str, str], about: set[tuple[str, str]]) -> str:
    """Read the events after a position; keep those about some objects. The position to go on after."""
    while True:
        part = api.call("events", "list_events", after=after)
        for event in part.items:
            places = [event.object_, event.belongs_to] if event.belongs_to else [event.object_]
            if about & {(place.type_, place.id) for place in places}:
                seen[event.id] = event.type_
        after = part.last
        if not part.next_:
            return after


def run(url: str, token: str, port: int = 0) -> Iterator[str]:
    """The whole day. What was done, in sentences. Raises AssertionError."""
    api = Api(url, token)
    yield f"the token acts for {api.call('token', 'get_token').user}"
    ready = api.models.ListOrdersState("ready")
    order = wait_for("an order that is ready", lambda: api.call("orders", "list_orders", state=ready, limit=10).items)[0]
    yield f"order {order.number} came in, with {sum(line.quantity for line in order.lines)} pieces"
    after = api.call("events", "list_events", limit=1).newest
    with receiver(port) as (address, came):
        new = api.models.NewEndpoint(name=f"ERP {uuid.uuid4()}", url=address, secret=SECRET, types=[])
        api.call("event_endpoints", "create_event_endpoint", body=new)
        items = api.call("stock_items", "list_stock_items", limit=20).items
        rows = [api.models.StockRow(sku=item.sku, delta=5, expected=item.on_hand) for item in items]
        batch = api.call("stock_items", "change_stock_items", body=api.models.StockBatch(rows=rows, atomic=False))
        assert batch.summary.done, batch
        yield f"{batch.summary.done} of {batch.summary.rows} stock items have 5 more"
        for parcel in (1, 2):
            new = api.models.NewShipment(carrier="DHL", tracking_number=f"JJD00039000788282{parcel}", further_parcel=parcel == 2)
            api.call("orders", "create_shipment", order.id, body=new)

        def sent() -> Any:
            backs = api.call("orders", "get_order", order.id, expand="write_backs").write_backs
            return backs if len(backs) >= 2 and all(back.state not in ("waiting", "sending") for back in backs) else None

        states = [back.state for back in wait_for("the shop's update", sent)]
        # The second parcel may come before the first was sent: one update then tells the shop of both.
        assert states[-1] == "done" and set(states) <= {"done", "replaced"}, states
        yield f"order {order.number} is shipped in two parcels, and its shop knows"
        seen: dict[str, str] = {}
        about = {("order", order.id), *(("stock_item", item.id) for item in items)}

        def followed() -> bool:
            nonlocal after
            after = follow(api, after, seen, about)
            return set(seen.values()) >= WANTED

        wait_for("every event in the log", followed)
        yield f"{len(seen)} events followed by polling"
        wait_for("every event by webhook", lambda: seen.keys() <= came.keys())
        assert {event: came[event] for event in seen} == seen
        yield f"the same {len(seen)} came by webhook"


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    for sentence in run(os.environ["CARTLINK_URL"], os.environ["CARTLINK_TOKEN"], int(os.environ.get("WEBHOOK_PORT") or 0)):
        print(sentence, flush=True)
