"""The HTTP side of a practice shop: sockets, keep-alive, the request log, and who answers what."""

import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .replies import REASONS, Reply
from .wire import read_request

LOGGED_BODY = 65536
LOGGED_REQUESTS = 50000


class ShopServer(ThreadingHTTPServer):
    """A threaded server that knows its open connections, so that stopping cuts them."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], shop):
        self.shop = shop
        self.open_sockets: set[socket.socket] = set()
        self.sockets_lock = threading.Lock()
        super().__init__(address, ShopHandler)

    def process_request(self, request, client_address):
        with self.sockets_lock:
            self.open_sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        with self.sockets_lock:
            self.open_sockets.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        """End every connection a client has kept open."""
        with self.sockets_lock:
            for connection in self.open_sockets:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def handle_error(self, request, client_address):
        """Clients come and go; only a fault of the shop's own program is worth a line, and it answers 500 itself."""


class ShopHandler(BaseHTTPRequestHandler):
    """Reads one request after the other from a connection and writes the shop's replies, faults included."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ShopServer

    def log_message(self, format, *args):
        """The request log is a list of the shop, not lines on a terminal."""

    def handle_one_request(self):
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline:
                self.close_connection = True
                return
            if not self.parse_request():
                return
            self._serve()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        body = self.rfile.read(int(length)) if length.isdigit() else b""
        headers = {name.lower(): value for name, value in self.headers.items()}
        shop = self.server.shop
        request = read_request(self.command, self.path, headers, body, shop.base_path)
        shop.serve(request, Connection(self))


class Connection:
    """What may be done to one waiting client: answer it, or misbehave."""

    def __init__(self, handler: ShopHandler):
        self._handler = handler

    def head(self, reply: Reply) -> bytes:
        """The status line and headers of a reply, its body's framing included."""
        headers = dict(reply.headers)
        if self.has_body(reply):
            if reply.sized or self._handler.request_version == "HTTP/1.0":
                headers["Content-Length"] = str(len(reply.body))
            else:
                headers["Transfer-Encoding"] = "chunked"
        elif self._handler.command == "HEAD":
            headers["Content-Length"] = str(len(reply.body))
        return self.raw_head(reply.status, headers)

    def raw_head(self, status: int, headers: dict[str, str]) -> bytes:
        date = self._handler.date_time_string(self._handler.server.shop.store.now())
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", f"Date: {date}"]
        lines += ["Server: nginx"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if self._handler.close_connection:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def has_body(self, reply: Reply) -> bool:
        return self._handler.command != "HEAD" and reply.status not in (204, 304)

    def framed_body(self, reply: Reply) -> bytes:
        if not self.has_body(reply):
            return b""
        if reply.sized or self._handler.request_version == "HTTP/1.0":
            return reply.body
        if not reply.body:
            return b"0\r\n\r\n"
        return b"%x\r\n%b\r\n0\r\n\r\n" % (len(reply.body), reply.body)

    def send(self, reply: Reply) -> None:
        """Answer in one go."""
        self.write(self.head(reply) + self.framed_body(reply))

    def write(self, data: bytes) -> None:
        self._handler.wfile.write(data)

    def close(self) -> None:
        """End the connection after what has been written."""
        self._handler.close_connection = True

    def reset(self) -> None:
        """Cut the connection hard: the client sees a reset, not an end."""
        connection = self._handler.connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._handler.close_connection = True
        with self._handler.server.sockets_lock:
            self._handler.server.open_sockets.discard(connection)
        connection.close()
        raise ConnectionResetError("cut on purpose")


def log_entry(request) -> dict:
    """One line of a shop's request log. Its status stays None until an answer is on its way;
    ``under_way`` is how many requests were being answered when it came, itself among them."""
    return {
        "method": request.method,
        "target": request.target,
        "path": request.path,
        "query": request.query,
        "headers": request.headers,
        "body": request.body[:LOGGED_BODY].decode("utf-8", "replace"),
        "status": None,
        "at": time.time(),
    }
