"""Events given out and delivered to one endpoint, against a bare loop that signs and posts the same bodies.

*Ours* gives positions to committed changes and sends each event through the address guard, keeping every attempt. *Theirs* is one
``requests`` session that signs and posts bodies that are there already, and keeps nothing. The receiver is another process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import requests
from sqlalchemy import insert, select

from bench.frame import Measured
from bench.pairs import ratio, samples
from bench.place import Place
from extensions import db, reading, writing
from models import Event, EventDelivery, StockItem
from services.events import deliveries, endpoints, log, sequencer

RECEIVER = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
    def log_message(self, *args):
        pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""
TIMES = 3


def measure(place: Place) -> Measured:
    number = place.full_or_quick(1_000, 100)
    ours: list[float] = []
    theirs: list[float] = []
    with place.installation(ALLOW_PRIVATE_ENDPOINTS="all"), receiver() as url:
        made = endpoints.create_endpoint("Bench", endpoints.check_address(url), [], "bench")
        for turn in range(TIMES):
            with writing() as session:
                rows = [{"sku": f"{turn}-{each}", "sku_key": f"{turn}-{each}"} for each in range(number)]
                session.connection().execute(insert(StockItem.__table__), rows)
            began, sent = time.perf_counter(), 0
            sequencer.give_positions()
            while sent < number:
                sent += deliveries.work(made.endpoint_id, 60)
            ours.append(time.perf_counter() - began)
            events = db.session.scalars(select(Event).order_by(Event.position.desc()).limit(number)).all()
            bodies = [(event.key, msgspec.json.encode(log.payload(event))) for event in events]
            theirs.append(_post(url, made.secret, bodies))
        with reading() as session:
            kept = len(session.scalars(select(EventDelivery.id).where(EventDelivery.state == "done")).all())
    if kept != TIMES * number:
        raise RuntimeError(f"{kept} deliveries were kept, not {TIMES * number}.")
    return Measured(ratio(ours, theirs), {**samples(ours, theirs), "events": number})


def _post(url: str, secret: str, bodies: list[tuple[str, bytes]]) -> float:
    key, began = base64.b64decode(secret.removeprefix("whsec_")), time.perf_counter()
    with requests.Session() as session:
        for name, body in bodies:
            stamp = str(int(time.time()))
            digest = hmac.new(key, f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
            signed = f"v1,{base64.b64encode(digest).decode()}"
            headers = {
                "webhook-id": name,
                "webhook-timestamp": stamp,
                "webhook-signature": signed,
                "Content-Type": "application/json",
            }
            session.post(url, body, headers=headers, timeout=10).raise_for_status()
    return time.perf_counter() - began


@contextmanager
def receiver() -> Iterator[str]:
    command = [sys.executable, "-c", RECEIVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout is not None else ""
            yield f"http://127.0.0.1:{port}/events"
        finally:
            process.kill()
