"""``python -m local_run.part NAME COMMAND``: become one part of a run, and end when the supervisor is gone, however it went.

On Linux the kernel sees to it: the part gets SIGTERM when its parent ends. Elsewhere a small process stays between the two
and watches.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time

QUEUE_SECONDS = 30
STOP_SECONDS = 25
PR_SET_PDEATHSIG = 1


def main() -> int:
    name, command = sys.argv[1:]
    parent = int(os.environ.get("CARTLINK_SUPERVISOR") or os.getppid())
    shell = ["/bin/sh", "-c", f"exec {command}"]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return 1
    wait_for_queue(name)
    if sys.platform == "linux":
        os.execv(shell[0], shell)
    return watch(shell, parent)


def wait_for_queue(name: str) -> None:
    """Workers end when there is no queue. At the start of a run it is only a moment late; later the supervisor's patience
    takes over."""
    address = os.environ.get("CARTLINK_QUEUE")
    if not address or name in ("queue", "shop", "web"):
        return
    # Only three of the parts come here, and the client takes longer to read in than all the rest of this file.
    from redis import Redis
    from redis.exceptions import RedisError

    deadline = time.monotonic() + QUEUE_SECONDS
    while time.monotonic() < deadline:
        try:
            with Redis.from_url(address, socket_connect_timeout=2, socket_timeout=2) as queue:
                queue.ping()
        except RedisError:
            time.sleep(0.1)
        else:
            return


def watch(shell: list[str], parent: int) -> int:
    """Run the part as a child: pass stop signals on, and stop it when the supervisor is gone."""
    process = subprocess.Popen(shell)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: process.send_signal(received))
    while process.poll() is None:
        if os.getppid() != parent:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        time.sleep(0.2)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


if __name__ == "__main__":
    sys.exit(main())
