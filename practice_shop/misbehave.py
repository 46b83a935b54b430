"""Sends an answer wrongly: slowly, in part, or not at all."""

from .faults import Fault, huge_list
from .replies import Reply
from .server import Connection


class Stopped(ConnectionResetError):
    """The shop is stopping: connections that wait are cut."""


def send(connection: Connection, reply: Reply, struck: dict[str, Fault], pause) -> None:
    """Send `reply` with the wire faults worked in. `pause` waits so many seconds, or raises `Stopped`."""
    head, body = connection.head(reply), connection.framed_body(reply)
    if "truncate" in struck:
        head, body = _too_short(connection, reply)
    if "reset" in struck:
        connection.write(head + body[: len(body) // 2])
        connection.reset()
    if "slow_headers" in struck:
        for line in head.splitlines(keepends=True):
            connection.write(line)
            pause(struck["slow_headers"].value)
        head = b""
    if "drip" in struck:
        fault = struck["drip"]
        connection.write(head)
        for start in range(0, len(body), fault.chunk):
            connection.write(body[start : start + fault.chunk])
            pause(fault.value)
    else:
        connection.write(head + body)


def send_huge(connection: Connection, size: int) -> None:
    """Stream a list of `size` bytes without ever holding it."""
    headers = {"Content-Type": "application/json;charset=utf-8", "Transfer-Encoding": "chunked"}
    connection.write(connection.raw_head(200, headers))
    for piece in huge_list(size):
        connection.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    connection.write(b"0\r\n\r\n")


def _too_short(connection: Connection, reply: Reply) -> tuple[bytes, bytes]:
    """A head that promises the whole body, and half of it; the connection then closes."""
    connection.close()
    head = connection.raw_head(reply.status, {**reply.headers, "Content-Length": str(max(len(reply.body), 2))})
    return head, reply.body[: len(reply.body) // 2]
