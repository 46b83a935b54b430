"""gunicorn's threaded worker with one difference: a request gets a thread when all of it has arrived.

gunicorn gives each new connection a thread, which then waits for the request without a limit: as many half requests as there
are threads stop all pages. Here the worker's own loop receives requests, and a client that is slow costs a connection and no
thread. A request has to arrive within ``HEAD_SECONDS``, plus the time its body takes at ``SLOWEST_BODY``; otherwise the answer
is 408. Where many connections wait, the oldest is closed for a new one. An answer that is not read is given up after
``ANSWER_SECONDS``. TLS is for the proxy.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any, cast

from gunicorn import http, util
from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.workers.gthread import TConn, ThreadWorker

HEAD_SECONDS = int(os.environ.get("REQUEST_SECONDS") or 10)
HEAD_BYTES = 64 * 1024
SLOWEST_BODY = 10_000
"""Bytes a second, in the mean."""
MOST_BODY = 20 * 1024 * 1024
"""Bytes; no page takes more. Smaller limits are the application's."""
MOST_HELD = 200 * 1024 * 1024
"""Bytes of bodies of all connections together, counted with their whole length from the beginning. Where they become more, those that
began first are given up."""
IN_MEMORY = 256 * 1024
"""Bytes of a body that is kept in memory. It is never refused for want of room: ``worker_connections`` limits how many there are."""
ANSWER_SECONDS = 20
SEND_BUFFER = 512 * 1024
"""Bytes the kernel may hold of one answer: any page fits, and no thread waits for its reader."""
LINGER_SECONDS = 2
MOST_LINGERING = 100
PIECE = 64 * 1024


class Refused(Exception):
    """A request that is answered by the loop: ``status`` is the status line's rest."""

    def __init__(self, status: str, sentence: str):
        super().__init__(sentence)
        self.answer = (
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n"
            f"Connection: close\r\nContent-Length: {len(sentence) + 1}\r\n\r\n{sentence}\n"
        ).encode()


LATE = Refused("408 Request Timeout", "The request did not arrive in time. Send it again.")
LARGE_HEAD = Refused("431 Request Header Fields Too Large", "The request's headers are too large. Delete this site's cookies.")
LARGE_BODY = Refused("413 Content Too Large", "What was sent is too large.")
NO_LENGTH = Refused("411 Length Required", "Send a Content-Length header; chunked requests are not accepted.")
FULL = Refused("503 Service Unavailable", "Too much is being uploaded at the moment. Try again in a minute.")


class AnswerSocket(socket.socket):
    """A socket whose ``sendall`` ends after ``ANSWER_SECONDS``. gunicorn makes it blocking, which has no limit otherwise."""

    def setblocking(self, flag: bool) -> None:
        self.settimeout(ANSWER_SECONDS if flag else 0)

    def sendall(self, data: Any, flags: int = 0) -> None:
        try:
            super().sendall(data, flags)
        except TimeoutError:
            raise ConnectionResetError(errno.ECONNRESET, "the answer was not taken in time") from None


class Body(tempfile.SpooledTemporaryFile):
    """A request's body on its way: in memory up to ``IN_MEMORY`` bytes, then on disk. ``Connection.forget`` closes it."""


class Connection(TConn):
    """A connection and what has arrived of its next request. ``rest`` is what came after the request's end."""

    def __init__(self, worker: WholeRequestWorker, sock: socket.socket, client: Any, server: Any):
        super().__init__(worker.cfg, sock, client, server)
        self.worker = worker
        self.body: Body | None = None
        self.size = 0
        self.rest = b""
        self.begin()

    def begin(self) -> None:
        """Get ready for the next request."""
        self.head = bytearray()
        self.missing: int | None = None
        self.deadline = time.monotonic() + HEAD_SECONDS

    def feed(self, data: bytes) -> bool:
        """Take what has arrived; whether the request is whole now. Raises Refused."""
        if self.missing is None:
            searched = max(0, len(self.head) - 3)
            self.head += data
            end = self.head.find(b"\r\n\r\n", searched)
            if end < 0:
                if len(self.head) > HEAD_BYTES:
                    raise LARGE_HEAD
                return False
            data = bytes(self.head[end + 4 :])
            del self.head[end + 4 :]
            self.missing = self._open_body()
        took, self.rest = data[: self.missing], data[self.missing :]
        if took:
            cast(Body, self.body).write(took)
            self.missing -= len(took)
        if self.missing:
            return False
        self.parser = http.get_parser(self.cfg, self._pieces(), self.client)
        self.initialized = True
        return True

    def _open_body(self) -> int:
        """The length of the body that follows the head. gunicorn's own parser says it, so that both agree; what it refuses has
        none here and is refused again in a thread, with gunicorn's answer. Raises Refused."""
        try:
            request = next(http.get_parser(self.cfg, [bytes(self.head)], self.client))
        except Exception:
            return 0
        reader = request.body.reader
        if isinstance(reader, ChunkedReader):
            raise NO_LENGTH
        length = reader.length if isinstance(reader, LengthReader) else 0
        if length > MOST_BODY:
            raise LARGE_BODY
        if length > IN_MEMORY and not self.worker.make_room(length):
            raise FULL
        if length:
            self.body = Body(max_size=IN_MEMORY)
            self.size = length
            self.worker.held += length
            self.deadline = time.monotonic() + HEAD_SECONDS + length / SLOWEST_BODY
            if request._expected_100_continue:
                with suppress(OSError):
                    self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return length

    def _pieces(self) -> Iterator[bytes]:
        yield bytes(self.head)
        if self.body is not None:
            self.body.seek(0)
            while piece := self.body.read(PIECE):
                yield piece

    def forget(self) -> None:
        """Let the body go: the request was answered, or is not going to be."""
        if self.body is not None:
            self.worker.held -= self.size
            self.body.close()
            self.body = None

    def close(self, graceful: bool = False) -> None:
        """gunicorn waits in its loop for the client to close, which would let one client stop all others."""
        self.forget()
        if graceful:
            self.worker.linger(self)
        else:
            util.close(self.sock)


class WholeRequestWorker(ThreadWorker):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        # Both in order of age.
        self.arriving: dict[Connection, None] = {}
        self.lingering: dict[Connection, None] = {}
        self.held = 0
        self.looked_at = 0.0

    def accept(self, listener: socket.socket) -> None:
        try:
            accepted, client = listener.accept()
        except OSError as trouble:
            if trouble.errno in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK, errno.EMFILE, errno.ENFILE):
                return
            raise
        sock = AnswerSocket(fileno=accepted.detach())
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if self.nr_conns >= self.worker_connections - 1:
            self._drop_oldest()
        self.nr_conns += 1
        self._await(Connection(self, sock, client, listener.getsockname()))

    def on_client_socket_readable(self, conn: Connection, client: Any) -> None:
        """The next request on a connection that was kept begins to arrive."""
        self.poller.unregister(conn.sock)
        self.keepalived_conns.remove(conn)
        conn.begin()
        self._await(conn)

    def finish_request(self, conn: Connection, fs: Any) -> None:
        conn.forget()
        super().finish_request(conn, fs)
        if conn.rest and conn in self.keepalived_conns:
            self.on_client_socket_readable(conn, conn.sock)

    def murder_pending(self) -> None:
        """Called with each turn of the loop: answer what is late, once a second."""
        now = time.monotonic()
        if now - self.looked_at < 1:
            return
        self.looked_at = now
        for conn in [each for each in self.arriving if each.deadline <= now]:
            self._refuse(conn, LATE) if conn.head else self._leave(conn).close()
        for conn in [each for each in self.lingering if each.deadline <= now]:
            self._end_lingering(conn)

    def linger(self, conn: Connection) -> None:
        """Close when the client has closed, or in ``LINGER_SECONDS``. Closing at once may cut the answer off."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_lingering, conn))
        except (OSError, ValueError, KeyError):
            util.close(conn.sock)
            return
        conn.deadline = time.monotonic() + LINGER_SECONDS
        self.lingering[conn] = None
        if len(self.lingering) > MOST_LINGERING:
            self._end_lingering(next(iter(self.lingering)))

    def _await(self, conn: Connection) -> None:
        conn.sock.setblocking(False)
        self.arriving[conn] = None
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_arriving, conn))
        if conn.rest:
            self._take(conn, conn.rest)

    def _on_arriving(self, conn: Connection, sock: socket.socket) -> None:
        try:
            data = conn.sock.recv(PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self._take(conn, data)
        else:
            self._leave(conn).close()

    def _take(self, conn: Connection, data: bytes) -> None:
        try:
            whole = conn.feed(data)
        except Refused as refused:
            self._refuse(conn, refused)
            return
        except OSError as trouble:
            self.log.error("A request's body could not be kept: %s", trouble)
            self._refuse(conn, FULL)
            return
        if whole:
            self.arriving.pop(conn)
            self.poller.unregister(conn.sock)
            self.enqueue_req(conn)

    def _refuse(self, conn: Connection, refused: Refused) -> None:
        with suppress(OSError):
            conn.sock.send(refused.answer)
        self._leave(conn).close(graceful=True)

    def make_room(self, length: int) -> bool:
        """Whether there is room for a body of this length. Bodies that are not whole are given up for it, the oldest first: a few
        that never end would keep all others from uploading."""
        for conn in [each for each in self.arriving if each.missing and each.size > IN_MEMORY]:
            if self.held + length <= MOST_HELD:
                break
            self._refuse(conn, FULL)
        return self.held + length <= MOST_HELD

    def _leave(self, conn: Connection) -> Connection:
        """Stop waiting for a request."""
        self.arriving.pop(conn)
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        return conn

    def _drop_oldest(self) -> None:
        if self.arriving:
            self._leave(next(iter(self.arriving))).close()
        elif self.keepalived_conns:
            conn = self.keepalived_conns.popleft()
            self.poller.unregister(conn.sock)
            self.nr_conns -= 1
            conn.close()

    def _on_lingering(self, conn: Connection, sock: socket.socket) -> None:
        try:
            if conn.sock.recv(PIECE):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass
        self._end_lingering(conn)

    def _end_lingering(self, conn: Connection) -> None:
        self.lingering.pop(conn)
        self.poller.unregister(conn.sock)
        util.close(conn.sock)

    def _cap_keepalive(self, deadline: float) -> None:
        """At a stop, connections on which nothing has arrived are not waited for."""
        super()._cap_keepalive(deadline)
        for conn in self.arriving:
            if not conn.head:
                conn.deadline = min(conn.deadline, deadline)
