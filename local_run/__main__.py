"""Look before leaping (ports, queue, a second run), then make what is missing, then supervise."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from config import ROOT
from errors import ConfigError
from local_run.parts import read_procfile, supervisor_config
from local_run.queue import server_program
from local_run.settings import Plan, busy, make_plan, prepare_instance
from local_run.supervisor import Terminal, supervise
from practice_shop import FULL_KEY, READ_KEY

LEFTOVER_SECONDS = 30
HELLO_SECONDS = 60


def main() -> int:
    os.umask(0o077)
    terminal = Terminal()
    try:
        plan = make_plan(os.environ)
        only_run(plan)
        look_at_ports(plan, terminal)
        look_at_queue(plan)
        prepare_instance(plan)
        os.environ.update(environment_of_parts(plan))
        terminal.say("preparing the database")
        first_code = migrate()
        config_file = plan.run_folder / "supervisord.conf"
        config_file.write_text(supervisor_config(plan, read_procfile(ROOT / "Procfile.dev")), encoding="utf-8")
    except ConfigError as trouble:
        print(trouble.sentence(), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    hello = threading.Thread(target=say_hello, args=(plan, terminal, first_code), daemon=True)
    # Under make, a make that was killed must not leave a run behind that nobody can reach with Ctrl-C.
    parent = os.getppid() if os.environ.get("MAKELEVEL") else None
    supervise(config_file, terminal, parent, hello.start)
    return 0


def only_run(plan: Plan) -> None:
    """Two runs in one checkout would share a database and a queue. The lock ends with this process, whatever ends it."""
    try:
        plan.run_folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(plan.run_folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as cause:
        raise ConfigError(f"{plan.run_folder} cannot be written: {cause.strerror}.") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        running = os.pread(handle, 200, 0).decode("utf-8", "replace").strip()
        raise ConfigError(f"Cartlink is running from here already{f' ({running})' if running else ''}.") from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()}, http://127.0.0.1:{plan.port}".encode(), 0)


def look_at_ports(plan: Plan, terminal: Terminal) -> None:
    """Raises ConfigError where a port is taken. After a run that was killed its parts may need a moment to end."""
    killed_before = (plan.run_folder / "supervisord.pid").exists()
    deadline = time.monotonic() + (LEFTOVER_SECONDS if killed_before else 0)
    waiting = False
    for name, port in (("PORT", plan.port), ("PRACTICE_PORT", plan.practice_port)):
        while why := busy(port):
            if time.monotonic() >= deadline:
                raise ConfigError(f"Port {port} {why}. Stop it, or choose another one: make run {name}={port + 100}")
            if not waiting:
                terminal.say("the last run was killed; waiting for its parts to end")
                waiting = True
            time.sleep(0.2)


def look_at_queue(plan: Plan) -> None:
    """Raises ConfigError where there is no queue to be had."""
    if plan.own_queue:
        server_program()
        return
    try:
        with Redis.from_url(plan.redis_url, socket_connect_timeout=5, socket_timeout=5) as queue:
            queue.ping()
    except ValueError:
        raise ConfigError("REDIS_URL has to start with redis://, rediss:// or unix://.") from None
    except RedisError as cause:
        raise ConfigError(f"The queue of REDIS_URL does not answer: {cause}") from None


def environment_of_parts(plan: Plan) -> dict[str, str]:
    programs = str(Path(sys.executable).parent)
    return {
        "CARTLINK_INSTANCE": str(plan.instance), "CARTLINK_SUPERVISOR": str(os.getpid()), "CARTLINK_QUEUE": plan.redis_url,
        "PORT": str(plan.port), "PRACTICE_PORT": str(plan.practice_port), "PYTHONUNBUFFERED": "1",
        "PATH": os.pathsep.join([programs, os.environ.get("PATH", os.defpath)]),
    }  # fmt: skip


def migrate() -> str:
    """The one-time code for the first user, empty where there are users. Raises ConfigError with the sentence of
    ``local_run.migrate``."""
    done = subprocess.run([sys.executable, "-m", "local_run.migrate"], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        raise ConfigError(done.stderr.decode("utf-8", "replace").strip() or "The database cannot be brought up to date.")
    return done.stdout.decode("utf-8", "replace").strip()


def say_hello(plan: Plan, terminal: Terminal, first_code: str) -> None:
    """Wait until the pages answer and the practice shop listens, then say where they are, on a slow machine too: nobody
    can sign in without the one-time code."""
    deadline = time.monotonic() + HELLO_SECONDS
    warned = False
    for port, ready in ((plan.practice_port, listens), (plan.port, answers)):
        while not ready(port):
            if time.monotonic() > deadline and not warned:
                terminal.say(f"still waiting for an answer on port {port}; if a line above names an error, that is why")
                warned = True
            time.sleep(0.1)
    terminal.greet(hello_text(plan, first_code))


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False


def answers(port: int) -> bool:
    """Whether a page comes, whatever it says: gunicorn listens before the application is there."""
    connection = HTTPConnection("127.0.0.1", port, timeout=HELLO_SECONDS)
    try:
        connection.request("HEAD", "/")
        connection.getresponse()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True


def hello_text(plan: Plan, first_code: str) -> str:
    flask = ".venv/bin/flask --app app"
    if plan.instance != ROOT / "instance":
        flask = f"CARTLINK_INSTANCE='{plan.instance}' {flask}"
    shop = f"http://127.0.0.1:{plan.practice_port}"
    first = f"Nobody can sign in yet. The first page asks for this one-time code: {first_code}\n" if first_code else ""
    return f"""
Cartlink is running: open http://127.0.0.1:{plan.port}
{first}
A practice shop runs beside it:
    Website end point     {shop}
    API key (read/write)  {FULL_KEY}
    API key (read-only)   {READ_KEY}
A supplier's stock list that changes each minute, for a feed: {shop}/supplier/stock.csv
To add the shop, in another terminal in this folder:
    echo {FULL_KEY} | {flask} integrations add --name "Practice shop" --endpoint {shop} --key-file -
    {flask} orders list
Ctrl-C stops everything.
"""


if __name__ == "__main__":
    sys.exit(main())
