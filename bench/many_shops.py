"""``python -m bench.many_shops``: many practice shops in one process, behind one port, each in its own folder.

``/huge`` has many orders and products, ``/small-1`` to ``/small-N`` a few. They share a key.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from typing import Any

from practice_shop.generate import fill
from practice_shop.server import ShopHandler, ShopServer
from practice_shop.shop import FULL_KEY, PracticeShop
from practice_shop.store import Store


class ManyShops(ShopServer):
    """A server whose first folder says which shop is meant."""

    def __init__(self, shops: dict[str, PracticeShop]):
        self.shops = shops
        super().__init__(("127.0.0.1", 0), next(iter(shops.values())))
        self.RequestHandlerClass = _Handler


class _OneShop:
    """What a handler wants to know of its server, for the shop that was asked."""

    def __init__(self, server: ManyShops, shop: PracticeShop):
        self.shop = shop
        self.open_sockets, self.sockets_lock = server.open_sockets, server.sockets_lock


class _Handler(ShopHandler):
    server: Any

    def setup(self) -> None:
        super().setup()
        self.all: ManyShops = self.server

    def _serve(self) -> None:
        name = self.path.split("/", 2)[1].partition("?")[0]
        shop = self.all.shops.get(name)
        if shop is None:
            self.send_error(404)
            return
        self.server = _OneShop(self.all, shop)
        super()._serve()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.many_shops")
    parser.add_argument("--small", type=int, default=1_000)
    parser.add_argument("--huge-orders", type=int, default=20_000)
    parser.add_argument("--huge-products", type=int, default=2_000)
    parser.add_argument("--latency", type=float, default=20, metavar="MS")
    given = parser.parse_args()
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    stores = {"huge": fill(Store(), products=given.huge_products, orders=given.huge_orders, days=300, seed=1)}
    for number in range(1, given.small + 1):
        stores[f"small-{number}"] = fill(Store(), products=3, orders=3, days=5, seed=number)
    shops = {
        name: PracticeShop(store=store, base_path=name, page_latency=given.latency) for name, store in stores.items()
    }  # fmt: skip
    server = ManyShops(shops)
    base = f"http://127.0.0.1:{server.server_address[1]}"
    for name, shop in shops.items():
        shop.store.url = f"{base}/{name}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    sys.stdout.write(f"Practice shops ready at {base}  key {FULL_KEY}\n")
    sys.stdout.flush()
    stop.wait()
    server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
