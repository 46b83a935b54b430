"""One practice shop: a store, the programs in front of it, its server, its faults, and the control over HTTP."""

import random
import threading

from . import faults, misbehave, supplier
from .control import PREFIX, Control
from .generate import VARIANT_SHARE, Seller, fill
from .modes import Mode
from .page import page
from .replies import Reply, error_page
from .seller import SellingThread
from .server import LOGGED_REQUESTS, Connection, ShopServer, log_entry
from .site import Keys, Site
from .store import Store

FULL_KEY = "practice-full-key"
READ_KEY = "practice-read-key"
GENERATIONS = ("addon", "api", "both")


class PracticeShop:
    """A shop on its own port. Use it as a context manager, or call `start` and `stop`.

    Without a `store` one is generated from `products`, of which `variant_share` have variants, `orders`, `days` and `seed`.
    `port` 0 takes a free one.
    `generation` is which API it speaks: "addon" (5.0 to 5.4), "api" (5.5) or "both", over one store.
    `base_path` ("/shop") puts the shop into a sub-folder. `page_latency` is milliseconds added to each answer.
    `requests` logs what clients sent, `failures` what went wrong inside the practice shop itself.
    """

    def __init__(
        self,
        *,
        products: int = 20,
        orders: int = 50,
        days: float = 30,
        seed: int = 1,
        orders_per_minute: float = 0,
        port: int = 0,
        host: str = "127.0.0.1",
        key: str | None = FULL_KEY,
        read_key: str | None = READ_KEY,
        store: Store | None = None,
        base_path: str = "",
        page_latency: float = 0,
        generation: str = "addon",
        variant_share: float = VARIANT_SHARE,
    ):
        """The many parameters are the settings of `python -m practice_shop`."""
        if generation not in GENERATIONS:
            raise ValueError(f"A practice shop is of generation {', '.join(GENERATIONS)}, not {generation!r}.")
        if store is None:
            store = fill(Store(), products=products, orders=orders, days=days, seed=seed, variant_share=variant_share)
        self.store = store
        self.base_path = "/" + base_path.strip("/") if base_path.strip("/") else ""
        self.page_latency = page_latency
        self.generation = generation
        self.orders_per_minute = orders_per_minute
        self.seed = seed
        self.mode = Mode()
        self.keys = Keys(key, read_key)
        self.faults = faults.Faults(self._faults_changed)
        self.requests: list[dict] = []
        self.failures: list[tuple[str, Exception]] = []
        self.log_lock = threading.Lock()
        self._under_way = 0
        self._host = host
        self._port = port
        self._server: ShopServer | None = None
        self._selling: SellingThread | None = None
        self._stopping = threading.Event()
        self._last_pages: dict[str, Reply] = {}
        self._stand_behind(self.store)

    def _stand_behind(self, store: Store) -> None:
        self.store = store
        self.site = self._site(store)
        self._stale_site: Site | None = None
        self.control = Control(self, Seller(store, random.Random(f"sell/{self.seed}")))

    def _site(self, store: Store) -> Site:
        return Site(store, self.mode, self.keys, self.generation, in_sub_folder=bool(self.base_path))

    # Keys

    @property
    def key(self) -> str | None:
        return self.keys.full

    @key.setter
    def key(self, value: str | None) -> None:
        self.keys.full = value

    @property
    def read_key(self) -> str | None:
        return self.keys.read

    @read_key.setter
    def read_key(self, value: str | None) -> None:
        self.keys.read = value

    # Running

    @property
    def port(self) -> int:
        return self._server.server_address[1] if self._server else self._port

    @property
    def url(self) -> str:
        """The end point to give to a client, without a trailing slash."""
        return f"http://{self._host}:{self.port}{self.base_path}"

    def start(self) -> "PracticeShop":
        """Listen, and return self. Raises OSError when the port is taken. A stopped shop comes back where it was."""
        return self._listen(ShopServer((self._host, self._port), self))

    def move(self, port: int) -> None:
        """Listen at another port instead. Raises OSError when it is taken; the shop then stays where it is."""
        server = ShopServer((self._host, port), self)
        self.stop()
        self._listen(server)

    def _listen(self, server: ShopServer) -> "PracticeShop":
        self._stopping.clear()
        self._server = server
        self.store.url = self.url
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        if self.orders_per_minute > 0:
            self._selling = SellingThread(self.store, self.orders_per_minute, self.seed)
            self._selling.start()
        return self

    def stop(self) -> None:
        """Stop listening and cut every connection; twice is the same as once."""
        self._stopping.set()
        if self._selling is not None:
            self._selling.stop()
            self._selling = None
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
        self._stand_behind(store)

    def speak(self, generation: str) -> None:
        """Speak another generation over the same store, as a shop does after an upgrade."""
        self.generation = generation
        self._last_pages.clear()
        self._stand_behind(self.store)

    # Requests

    def clear_requests(self) -> None:
        with self.log_lock:
            self.requests.clear()

    def serve(self, request, connection: Connection) -> None:
        """Answer one request; called by the server's threads. The log has it from its arrival on."""
        path = request.target.partition("?")[0].removeprefix(self.base_path)
        if path == PREFIX or path.startswith(PREFIX + "/"):
            connection.send(self.control.answer(request, path[len(PREFIX) :]))
            return
        if request.target.startswith(supplier.PREFIX):
            connection.send(supplier.answer(request, self.store))
            return
        entry = self._log(request)
        try:
            self._serve(request, connection, entry)
        finally:
            with self.log_lock:
                self._under_way -= 1

    def _serve(self, request, connection: Connection, entry: dict) -> None:
        struck = self.faults.strike(request)
        waiting = self.page_latency + (struck["latency_ms"].value if "latency_ms" in struck else 0)
        if waiting:
            self._pause(waiting / 1000)
        if "reset" in struck and struck["reset"].value == "before":
            connection.reset()
        if "huge" in struck:
            entry["status"] = 200
            misbehave.send_huge(connection, struck["huge"].value)
            return
        reply = faults.instead(struck) or self._own_answer(request, struck)
        entry["status"] = reply.status
        misbehave.send(connection, reply, struck, self._pause)

    def answer(self, request, site: Site | None = None) -> Reply:
        """What this shop says to a request when nothing is wrong."""
        try:
            if request.path == "/" and self.mode.answer(request) is None:
                return Reply(200, page(self).encode(), {"Content-Type": "text/html; charset=utf-8"})
            return (site or self.site).answer(request)
        except Exception as failure:
            self.failures.append((request.target, failure))
            return error_page()

    def _own_answer(self, request, struck: dict) -> Reply:
        if "shifted_page" in struck:
            request.shift = struck["shifted_page"].value
        stale = "old_data" in struck and request.method not in faults.WRITES
        reply = self.answer(request, self._stale_site if stale else None)
        path = dict(request.query).get("_path", request.path)
        again = self._last_pages.get(path)
        if reply.status == 200 and request.method == "GET" and "/" not in path.strip("/").removeprefix("api/"):
            self._last_pages[path] = reply
        return faults.changed(reply, struck, again)

    def _pause(self, seconds: float) -> None:
        """Wait, unless the shop is being stopped."""
        if self._stopping.wait(seconds):
            raise misbehave.Stopped("the shop is stopping")

    def _faults_changed(self, active: dict) -> None:
        skew = active.get("clock_skew")
        self.store.clock_skew = skew.value if skew else 0.0
        if "old_data" not in active:
            self._stale_site = None
        elif self._stale_site is None:
            self._stale_site = self._site(self.store.snapshot())

    def _log(self, request) -> dict:
        entry = log_entry(request)
        with self.log_lock:
            self._under_way += 1
            entry["under_way"] = self._under_way
            self.requests.append(entry)
            if len(self.requests) > LOGGED_REQUESTS:
                del self.requests[: LOGGED_REQUESTS // 10]
        return entry
