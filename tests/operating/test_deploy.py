"""The files in deploy/: systemd accepts the units, and nginx or Caddy in front of the page servers keeps slow clients and restarts from people."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bench.authority import certificates
from config import NAMES
from tests.support.checkout import free_port
from tests.support.processes import ROOT, Processes, wait_until
from tests.support.served import Served

DEPLOY = ROOT / "deploy"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
ANALYZE = shutil.which("systemd-analyze")
PAGES = ("8000", "8001")
CADDY = shutil.which("caddy")
SERVERS = [
    pytest.param("nginx", marks=pytest.mark.skipif(NGINX is None, reason="nginx is not installed")),
    pytest.param("caddy", marks=pytest.mark.skipif(CADDY is None, reason="Caddy is not installed")),
]


@pytest.mark.skipif(ANALYZE is None, reason="systemd is not installed")
def test_systemd_accepts_each_unit(tmp_path):
    names = []
    for path in sorted((DEPLOY / "systemd").iterdir()):
        text = path.read_text().replace("/srv/cartlink", str(ROOT)).replace("/usr/bin/valkey-server", "/bin/true")
        (tmp_path / path.name).write_text(text)
        names.append(str(tmp_path / path.name.replace("@.", "@8000.")))
        if "@." in path.name:
            (tmp_path / path.name.replace("@.", "@8000.")).symlink_to(tmp_path / path.name)
    done = subprocess.run([ANALYZE, "verify", "--man=no", *names], capture_output=True, text=True, timeout=60)
    complaints = [line for line in done.stderr.splitlines() if "cartlink" in line]
    assert done.returncode == 0 and not complaints, done.stderr


def test_the_units_start_every_part_of_the_procfile():
    started = "\n".join(
        re.findall(r"^ExecStart=(.*)", "\n".join(path.read_text() for path in (DEPLOY / "systemd").iterdir()), re.MULTILINE)
    )
    for line in (ROOT / "Procfile").read_text().splitlines():
        name, _, command = line.partition(": ")
        if name != "release":
            assert command.split(" --bind")[0].removeprefix("python ").strip() in started, name


def test_the_environment_file_sets_only_what_there_is():
    lines = [line for line in (DEPLOY / "cartlink.env").read_text().splitlines() if line and not line.startswith("#")]
    assert {line.partition("=")[0] for line in lines} <= set(NAMES)


@pytest.fixture
def pages(serve) -> list[Served]:
    settings = {"BEHIND_HTTPS": "yes", "TRUSTED_PROXIES": "1", "ALLOWED_HOSTS": "localhost"}
    servers = [serve(wait=False, **settings) for _ in PAGES]
    for each in servers:
        wait_until(lambda each=each: answers(f"{each.address}/healthz"), 60, "a page server")
    return servers


@pytest.fixture
def front(request, pages, processes, tmp_path) -> Iterator[tuple[str, int]]:
    """The address of the web server ``request.param`` in front of two page servers, and its port."""
    port = free_port()
    start = start_nginx if request.param == "nginx" else start_caddy
    authority = start(pages, processes, tmp_path, port)
    address = f"https://localhost:{port}"
    wait_until(lambda: answers(f"{address}/healthz", authority), 60, request.param)
    yield address, port


def start_nginx(pages: list[Served], processes: Processes, tmp_path: Path, port: int) -> Path:
    authority, certificate, key = certificates(tmp_path)
    text = changed(
        (DEPLOY / "nginx.conf").read_text(),
        *((f"127.0.0.1:{number} ", f"127.0.0.1:{server.port} ") for number, server in zip(PAGES, pages, strict=True)),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"), ("cartlink.example;", "localhost;"),
        ("/etc/letsencrypt/live/cartlink.example/fullchain.pem", str(certificate)),
        ("/etc/letsencrypt/live/cartlink.example/privkey.pem", str(key)),
    )  # fmt: skip
    folders = "".join(f"{name}_temp_path {tmp_path}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    # Its workers would not be root, and could not reach the test's folder.
    user = "user root; " if os.geteuid() == 0 else ""
    whole = f"{user}daemon off; pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {folders}\n{text}\n}}"
    (tmp_path / "whole.conf").write_text(whole)
    processes.start([NGINX, "-p", str(tmp_path), "-e", "stderr", "-c", str(tmp_path / "whole.conf")], env={})
    return authority


def start_caddy(pages: list[Served], processes: Processes, tmp_path: Path, port: int) -> Path:
    authority, certificate, key = certificates(tmp_path)
    text = changed(
        (DEPLOY / "Caddyfile").read_text(),
        *((f"127.0.0.1:{number}", f"127.0.0.1:{server.port}") for number, server in zip(PAGES, pages, strict=True)),
        ("cartlink.example {", f"https://localhost:{port} {{\n\tbind 127.0.0.1\n\ttls {certificate} {key}"),
    )
    # No certificate from elsewhere, nothing on port 80, and nothing that steers it from outside.
    (tmp_path / "Caddyfile").write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{text}")
    processes.start(
        [CADDY, "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"],
        env={"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
    )
    return authority


def changed(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def answers(address: str, authority: Path | bool = True) -> bool:
    try:
        return requests.get(address, timeout=5, verify=str(authority) if authority is not True else True).status_code == 200
    except requests.RequestException:
        return False


def ask(address: str, tmp_path: Path, method: str = "GET", **options) -> requests.Response:
    return requests.request(method, address, verify=str(tmp_path / "authority.pem"), timeout=30, allow_redirects=False, **options)


@pytest.mark.one_database
@pytest.mark.timeout(600)
@pytest.mark.parametrize("front", SERVERS, indirect=True)
def test_the_web_server_keeps_slow_clients_large_bodies_and_restarts_from_people(front, pages, serve, tmp_path):
    address, port = front
    assert ask(f"{address}/sign-in", tmp_path).status_code == 303
    assert [ask(f"{address}{path}", tmp_path).status_code for path in ("/metrics", "/readyz")] == [404, 404]

    # Uploads: what Cartlink takes as a file is passed on to it (it refuses so much on this page itself), and nothing larger.
    passed, refused = (ask(f"{address}/sign-in", tmp_path, "POST", data=b"x" * size) for size in (15_000_000, 18_000_000))
    assert passed.status_code == 413 and "Cartlink" in passed.text
    # Caddy 2.6 says 502.
    assert refused.status_code in (413, 502) and "Cartlink" not in refused.text

    # Half-open requests: many more than Cartlink has threads.
    context = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
    slow = []
    for number in range(60):
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        connection = context.wrap_socket(plain, server_hostname="localhost")
        begun = (
            b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx"
            if number % 2
            else b"GET / HTTP/1.1\r\nHo"
        )
        connection.sendall(begun)
        slow.append(connection)
    for _ in range(5):
        assert ask(f"{address}/sign-in", tmp_path).status_code == 303
    for connection in slow:
        connection.close()

    # A restart of one page server: every request is answered.
    statuses: list[int] = []
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            statuses.append(ask(f"{address}/sign-in", tmp_path).status_code)
            time.sleep(0.02)

    people = [threading.Thread(target=go_on) for _ in range(3)]
    for each in people:
        each.start()
    wait_until(lambda: len(statuses) > 10, 30, "requests")
    pages[0].started.stop()
    before = len(statuses)
    wait_until(lambda: len(statuses) > before + 20, 30, "requests while a page server is away")
    over.set()
    for each in people:
        each.join(40)
    assert set(statuses) == {303}
