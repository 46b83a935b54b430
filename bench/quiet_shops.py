"""``python -m bench.quiet_shops``: any number of shops in which nothing happens, in one process, over TLS, each request on a new connection.

Under ``/1``, ``/2`` and so on each answers a poll and a full page with the bytes of two files, which come from a practice shop. So the
simulators take as little as they can of the processor that is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import sys
from email.utils import formatdate
from pathlib import Path


def _answer(body: bytes) -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"Date: {formatdate(usegmt=True)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _serve(poll: bytes, page: bytes, context: ssl.SSLContext) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(_answer(page if b"_schema=complex" in head else poll))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context, backlog=512)
    sys.stdout.write(f"Quiet shops ready at https://localhost:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.quiet_shops")
    for name in ("poll", "page", "certificate", "key"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FILE")
    given = parser.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(given.certificate, given.key)
    asyncio.run(_serve(given.poll.read_bytes(), given.page.read_bytes(), context))
    return 0


if __name__ == "__main__":
    sys.exit(main())
