"""One practice shop: a store, the program in front of it, its server and its faults."""

import threading

from .addon import Addon
from .generate import fill
from .modes import Mode
from .replies import Reply, error_page, redirect, server_page
from .seller import SellingThread
from .server import LOGGED_REQUESTS, Connection, ShopServer, log_entry
from .store import Store

FULL_KEY = "practice-full-key"
READ_KEY = "practice-read-key"


class PracticeShop:
    """A shop on a port of its own. Use it as a context manager, or call `start` and `stop`.

    Without a `store` one is generated from `products`, `orders`, `days` and `seed`. `port` 0 takes a free one.
    `base_path` ("/shop") puts the shop into a sub-folder. `page_latency` is milliseconds added to each answer.
    """

    def __init__(
        self,
        *,
        products: int = 20,
        orders: int = 50,
        days: int = 30,
        seed: int = 1,
        orders_per_minute: float = 0,
        port: int = 0,
        host: str = "127.0.0.1",
        key: str | None = FULL_KEY,
        read_key: str | None = READ_KEY,
        store: Store | None = None,
        base_path: str = "",
        page_latency: float = 0,
    ):
        self.store = store if store is not None else fill(Store(), products=products, orders=orders, days=days, seed=seed)
        self.base_path = "/" + base_path.strip("/") if base_path.strip("/") else ""
        self.page_latency = page_latency
        self.orders_per_minute = orders_per_minute
        self.seed = seed
        self.mode = Mode()
        self.addon = Addon(self.store, self.mode, key, read_key)
        self.requests: list[dict] = []
        self.failures: list[tuple[str, Exception]] = []
        self._log_lock = threading.Lock()
        self._host = host
        self._port = port
        self._server: ShopServer | None = None
        self._seller: SellingThread | None = None

    # Keys

    @property
    def key(self) -> str | None:
        return self.addon.key

    @key.setter
    def key(self, value: str | None) -> None:
        self.addon.key = value

    @property
    def read_key(self) -> str | None:
        return self.addon.read_key

    @read_key.setter
    def read_key(self, value: str | None) -> None:
        self.addon.read_key = value

    # Running

    @property
    def port(self) -> int:
        return self._server.server_address[1] if self._server else self._port

    @property
    def url(self) -> str:
        """The end point to give to a client, without a trailing slash."""
        return f"http://{self._host}:{self.port}{self.base_path}"

    def start(self) -> "PracticeShop":
        """Listen, and return self. Raises OSError when the port is taken."""
        self._server = ShopServer((self._host, self._port), self)
        self.store.url = self.url
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        if self.orders_per_minute > 0:
            self._seller = SellingThread(self.store, self.orders_per_minute, self.seed)
            self._seller.start()
        return self

    def stop(self) -> None:
        """Stop listening and cut every connection; twice is the same as once."""
        if self._seller is not None:
            self._seller.stop()
            self._seller = None
        server, self._server = self._server, None
        if server is not None:
            self._port = server.server_address[1]
            server.shutdown()
            server.server_close()
            server.cut_connections()

    def __enter__(self) -> "PracticeShop":
        return self if self._server else self.start()

    def __exit__(self, *exc) -> None:
        self.stop()

    def replace_store(self, store: Store) -> None:
        """Put another state behind the running shop, as restoring its database would."""
        store.url = self.store.url
        self.store = store
        self.addon = Addon(store, self.mode, self.key, self.read_key)

    # Requests

    def clear_requests(self) -> None:
        with self._log_lock:
            self.requests.clear()

    def serve(self, request, connection: Connection) -> None:
        """Answer one request; called by the server's threads."""
        reply = self.answer(request)
        self._log(request, reply.status)
        connection.send(reply)

    def answer(self, request) -> Reply:
        """What this shop says to a request when nothing is wrong."""
        try:
            return self._route(request)
        except Exception as failure:
            self.failures.append((request.target, failure))
            return error_page()

    def _route(self, request) -> Reply:
        reply = self.mode.answer(request)
        if reply is not None:
            return reply
        if request.path == "/admin.php":
            return self.addon.answer(request)
        if request.path == "/cart.php":
            return self._storefront_redirect(request)
        if request.path == "/":
            return Reply(200, b"<!DOCTYPE html><title>Practice shop</title>", {"Content-Type": "text/html; charset=utf-8"})
        return server_page(404)

    def _storefront_redirect(self, request) -> Reply:
        location = f"{self.store.url}/"
        if request.query_string:
            rest = [part for part in request.query_string.split("&") if not part.startswith("target=")]
            location += "?target=page_not_found&" + "&".join(rest).replace("/", "%2F")
        reply = redirect(301, location)
        reply.headers["X-Powered-By"] = "PHP/7.4.28"
        return reply

    def _log(self, request, status: int) -> None:
        with self._log_lock:
            self.requests.append(log_entry(request, status))
            if len(self.requests) > LOGGED_REQUESTS:
                del self.requests[: LOGGED_REQUESTS // 10]
