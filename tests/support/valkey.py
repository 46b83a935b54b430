"""The embedded Valkey on a private unix socket, started as ``make run`` starts it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from local_run.queue import command
from tests.support.processes import die_with_parent, wait_until


@contextmanager
def valkey_server() -> Iterator[str]:
    """Runs a server and answers with its REDIS_URL. The folder is short: a socket's path may have about 100 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="cartlink-vk-", dir="/tmp"))
    (folder / "queue").mkdir()
    url = f"unix://{folder}/sock"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command(folder, url), stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent
        )
    try:
        wait_until(lambda: process.poll() is not None or answers(url), 20, "Valkey's answer")
        if process.poll() is not None:
            raise AssertionError(f"Valkey did not start:\n{(folder / 'log').read_text()}")
        yield url
    finally:
        process.kill()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def answers(url: str) -> bool:
    try:
        with Redis.from_url(url) as queue:
            return bool(queue.ping())
    except RedisError:
        return False
