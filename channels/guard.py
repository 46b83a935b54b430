"""Where a shop's connection may lead, how long it may take and how much it may carry.

``GuardedAdapter`` is an adapter for ``requests``. Its connections resolve the host themselves, check every address of the name, and
connect to an address that was checked; TLS still proves the name. A name that changes its answer between the check and the use
(DNS rebinding) therefore has no effect. Its sockets keep to the ``Allowance`` of the current request: at the deadline or at the size
limit the connection is closed, even if the server keeps sending headers or a body.
"""

from __future__ import annotations

import ipaddress
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, cast

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from errors import AddressRefused, ShopBroken, ShopTimeout, ShopUnreachable

Resolver = Callable[[str, int], Sequence[str]]
"""Takes a host and a port, gives its addresses as text; raises OSError if there is none."""

LOOK_UP_SECONDS = 5.0
"""How long a person waits at most for the look-up of a name they entered."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that the public internet uses; other addresses are local, multicast or not assigned."""
_SPECIAL = tuple(
    ipaddress.ip_network(block)
    for block in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
        "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
        "168.63.129.16/32",
    )
)  # fmt: skip
"""Every block of IANA's registries of special-purpose addresses (of 2026) that is multicast, reserved, or in no public use as a
web server, whether or not it can be reached from everywhere: Python's own lists leave some out. The rest of IPv6's special blocks
lies outside ``_UNICAST``, or carries an IPv4 address. The last is Azure's inner service, a public address that every machine
there reaches."""
_LOCAL_NAMES = (".localhost", ".localdomain", ".local", ".internal", ".intranet", ".lan", ".home.arpa")
_ISATAP = (0x00005EFE, 0x02005EFE)
"""The upper half of the last 64 bits where the lower half is an IPv4 address (RFC 5214)."""


def system_resolver(host: str, port: int) -> list[str]:
    """The addresses the system knows for a host, each once, in the system's order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet.

    IPv6 addresses that carry an IPv4 address inside (mapped, 6to4, Teredo, NAT64, ISATAP) are at most as public as that."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _NAT64 or (int(ip) >> 32) & 0xFFFFFFFF in _ISATAP:
            inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        carried = [each for each in inner if each is not None]
        if not all(is_public(str(each)) for each in carried):
            return False
        if ip.ipv4_mapped or ip in _NAT64:
            return True
        if ip not in _UNICAST:
            return False
    if any(ip in network for network in _SPECIAL if network.version == ip.version):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def is_permitted(host: str, port: int, allow_private: Sequence[str]) -> bool:
    """Whether the operator permits private addresses for a host: ``host``, ``host:port`` or ``all`` is on the list."""
    bare = host.strip("[]").rstrip(".").lower()
    listed = {entry.strip().lower().replace("[", "").replace("]", "") for entry in allow_private}
    return "all" in listed or bare in listed or f"{bare}:{port}" in listed


def is_known_private(host: str, port: int, allow_private: Sequence[str]) -> bool:
    """Whether a host is not on the public internet, as far as that is known without a look-up: an address in any spelling the system
    takes (decimal, octal, hexadecimal, short), or a name of a kind that public name servers do not have (RFC 6761, RFC 8375, and
    ``internal``, which ICANN has reserved). Those that the operator permits are not."""
    if is_permitted(host, port, allow_private):
        return False
    name = host.strip("[]").rstrip(".").lower()
    try:
        address = socket.inet_ntoa(socket.inet_aton(name))
    except OSError:
        address = name
    if ":" in address or address.replace(".", "").isdigit():
        return not is_public(address)
    return "." not in name or f".{name}".endswith(_LOCAL_NAMES)


def is_at_home(host: str, port: int, allow_private: Sequence[str]) -> bool:
    """Whether a host is one of the operator's own, where plain http is usual: it is permitted by its name, or permitted with all others and
    its address is a private one."""
    listed = [entry for entry in allow_private if entry.strip().lower() != "all"]
    if is_permitted(host, port, listed):
        return True
    literal = host.strip("[]")
    home = host == "localhost" or (re.fullmatch(r"[\d.]+|.*:.*", literal) is not None and not is_public(literal))
    return home and is_permitted(host, port, allow_private)


def is_known(host: str, port: int, resolver: Resolver = system_resolver) -> bool:
    """Whether an address of a host is found at the moment. It may be misspelt, not set up yet, or the name servers may be away."""
    try:
        Guard(("all",), LOOK_UP_SECONDS, resolver).look_up(host, port, time.monotonic() + LOOK_UP_SECONDS)
    except (ShopUnreachable, ShopTimeout):
        return False
    return True


class Allowance(threading.local):
    """What the current request of a thread may still use: time until ``deadline``, ``quiet`` seconds between two pieces, and
    ``room`` bytes from the network."""

    deadline = 0.0
    quiet = 0.0
    room = 0

    def start(self, deadline: float, quiet: float, room: int) -> None:
        self.deadline, self.quiet, self.room = deadline, quiet, room

    def wait(self) -> float:
        """How long the next socket operation may take. Raises TimeoutError if no time is left."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the total time is used up")
        return min(left, self.quiet)

    def took(self, count: int) -> None:
        self.room -= count
        if self.room < 0:
            raise ShopBroken("The shop's answer is larger than Cartlink accepts.", status_code=200)


class _Guarded(socket.socket):
    """A socket whose every read and write keeps to the allowance."""

    allowance: Allowance

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(self.allowance.wait())
        count = super().recv_into(buffer, nbytes or len(buffer), flags)
        self.allowance.took(count)
        return count

    def sendall(self, data: Any, flags: int = 0) -> None:
        self.settimeout(self.allowance.wait())
        super().sendall(data, flags)


class _PlainSocket(_Guarded, socket.socket):
    pass


class _TlsSocket(_Guarded, ssl.SSLSocket):
    pass


@cache
def _tls() -> ssl.SSLContext:
    """Certificates are checked against certifi's list and the system's, so that an operator's own authority works. Made once a process:
    reading both lists took ten times as long as a handshake."""
    context = create_urllib3_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    context.load_default_certs()
    context.sslsocket_class = _TlsSocket
    return context


class Guard:
    """The rules for the connections to one shop. Every connection is opened by ``connect``. ``connected`` is called in the thread
    of the request when a connection is open and nothing has been sent on it yet, because connecting may have taken seconds."""

    def __init__(
        self,
        allow_private: Sequence[str],
        connect_timeout: float,
        resolver: Resolver,
        connected: Callable[[], None] = lambda: None,
    ):
        self.allow_private = tuple(allow_private)
        self.connect_timeout = connect_timeout
        self.resolver = resolver
        self.connected = connected
        self.allowance = Allowance()

    def connect(self, host: str, port: int) -> socket.socket:
        """A connected socket. Raises AddressRefused, ShopUnreachable or ShopTimeout."""
        until = min(time.monotonic() + self.connect_timeout, self.allowance.deadline)
        addresses = self.look_up(host, port, until)
        failure: OSError | None = None
        for turn, address in enumerate(addresses):
            left = until - time.monotonic()
            if left <= 0:
                break
            sock = self._open(address)
            try:
                sock.settimeout(left / (len(addresses) - turn))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.connect((address, port))
            except OSError as exc:
                sock.close()
                failure = exc
                continue
            # The TLS handshake, which comes next, takes its limit from the socket.
            sock.settimeout(max(0.01, until - time.monotonic()))
            return sock
        if failure is None or isinstance(failure, TimeoutError):
            raise ShopTimeout(f"{host} did not accept a connection within {self.connect_timeout:g} seconds.")
        if isinstance(failure, ConnectionRefusedError):
            raise ShopUnreachable(f"{host} refuses connections on port {port}.")
        raise ShopUnreachable(f"{host} cannot be reached ({failure.strerror or type(failure).__name__}).")

    def look_up(self, host: str, port: int, until: float) -> Sequence[str]:
        """The addresses of a host, all of them permitted. Raises AddressRefused, ShopUnreachable where there is no such host, or ShopTimeout."""
        addresses = self._addresses(host, port, until)
        if not is_permitted(host, port, self.allow_private):
            for address in addresses:
                if not is_public(address):
                    subject = address if host.strip("[]") == address else f"{host} leads to the address {address}, which"
                    raise AddressRefused(f"{subject} is not on the public internet.")
        return addresses

    def _open(self, address: str) -> _PlainSocket:
        sock = _PlainSocket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        sock.allowance = self.allowance
        return sock

    def _addresses(self, host: str, port: int, until: float) -> Sequence[str]:
        """Look the name up in a separate thread, because the system's look-up takes no time limit."""
        answers: queue.SimpleQueue[Sequence[str] | None] = queue.SimpleQueue()

        def look_up() -> None:
            try:
                answers.put(self.resolver(host, port))
            except (OSError, UnicodeError):
                answers.put(None)

        threading.Thread(target=look_up, name="look-up", daemon=True).start()
        try:
            found = answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise ShopTimeout(f"The name {host} could not be looked up in time.") from None
        if not found:
            raise ShopUnreachable(f"There is no host named {host}.")
        return found


class _PlainConnection(HTTPConnection):
    guard: Guard

    def connect(self) -> None:
        super().connect()
        self.guard.connected()

    def _new_conn(self) -> socket.socket:
        return self.guard.connect(self.host, self.port)


class _TlsConnection(_PlainConnection, HTTPSConnection):
    """The same, encrypted."""

    def connect(self) -> None:
        HTTPSConnection.connect(self)
        # The context, which makes the socket, is shared by all shops. The handshake kept to the limit of the plain socket.
        cast(_TlsSocket, self.sock).allowance = self.guard.allowance
        self.guard.connected()


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection

    def __init__(self, host: str, port: int | None = None, *, guard: Guard, **options: Any):
        super().__init__(host, port, **options)
        self.guard = guard

    def _new_conn(self) -> Any:
        connection: Any = super()._new_conn()
        connection.guard = self.guard
        return connection


class _TlsPool(_PlainPool, HTTPSConnectionPool):
    """The same for encrypted connections."""

    ConnectionCls = _TlsConnection


class GuardedAdapter(HTTPAdapter):
    """An adapter that keeps ``connections`` connections alive and lets ``guard`` open them."""

    def __init__(self, guard: Guard, *, secure: bool, connections: int = 1):
        self.guard = guard
        self.secure = secure
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        if self.secure:
            options["ssl_context"] = _tls()
        super().init_poolmanager(connections, maxsize, block, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_PlainPool, guard=self.guard),
            "https": partial(_TlsPool, guard=self.guard),
        }

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The shared context checks every certificate; requests would read certifi's list again for each connection."""
