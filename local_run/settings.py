"""What a run needs to know and to keep: the instance folder, secrets, ports, and ``instance/settings.env``."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from cryptography.fernet import Fernet

from config import ROOT, read_settings_file
from errors import ConfigError

LONGEST_SOCKET_PATH = 100
"""Bytes; Linux takes 107, macOS 103."""
PRACTICE_SHOP = re.compile(r"(?<!\S)127\.0\.0\.1:(\d+) localhost:\1(?!\S)")
"""As ``make run`` writes the addresses of the practice shop."""
HEADER = """\
# Written by `make run`. The flask commands and the tests of yours that you run beside it read the same settings from here.
# The lines of the first block are written again each time (SECRET_KEY keeps its value, and
# ALLOW_PRIVATE_ENDPOINTS the addresses you add); the environment wins over this file.
"""


@dataclass(frozen=True)
class Plan:
    """Where everything of this run is. ``own_queue`` is False where REDIS_URL was given."""

    instance: Path
    port: int
    practice_port: int
    workers: int
    own_queue: bool
    redis_url: str
    settings: dict[str, str]

    @property
    def run_folder(self) -> Path:
        """Files that mean something only while it runs."""
        return self.instance / "run"

    @property
    def settings_file(self) -> Path:
        return self.instance / "settings.env"


def make_plan(environ: Mapping[str, str]) -> Plan:
    """Read the environment and decide. Nothing is written. Raises ConfigError."""
    instance = Path(environ.get("CARTLINK_INSTANCE") or ROOT / "instance").resolve()
    port = number(environ, "PORT", 8000, 1, 65535)
    practice_port = number(environ, "PRACTICE_PORT", 8081, 1, 65535)
    if port == practice_port:
        raise ConfigError(f"PORT and PRACTICE_PORT are both {port}; they have to differ.")
    before = read_settings_file(instance / "settings.env")
    redis_url = environ.get("REDIS_URL") or socket_url(instance)
    made = {
        "SECRET_KEY": before.get("SECRET_KEY") or secrets.token_urlsafe(32),
        "SECRET_KEYS_FILE": str(instance / "keyring"),
        "DATABASE_URL": f"sqlite:///{instance / 'cartlink.sqlite'}",
        "REDIS_URL": redis_url,
        "ALLOW_PRIVATE_ENDPOINTS": with_practice_shop(before.get("ALLOW_PRIVATE_ENDPOINTS", ""), practice_port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    if environ.get("SECRET_KEYS") and not environ.get("SECRET_KEYS_FILE"):
        made["SECRET_KEYS"] = environ["SECRET_KEYS"]
        del made["SECRET_KEYS_FILE"]
    made.update({name: environ[name] for name in made if environ.get(name)})
    kept = {name: value for name, value in before.items() if name not in (*made, "SECRET_KEYS", "SECRET_KEYS_FILE")}
    return Plan(
        instance=instance, port=port, practice_port=practice_port, workers=number(environ, "WORKERS", 2, 1, 32),
        own_queue=not environ.get("REDIS_URL"), redis_url=redis_url, settings={**made, **kept},
    )  # fmt: skip


def with_practice_shop(allowed: str, practice_port: int) -> str:
    """What people have added to the private addresses that are allowed, and after it those of the practice shop. Those of an earlier run,
    which may have had another port, go."""
    added = PRACTICE_SHOP.sub(" ", allowed)
    return " ".join(dict.fromkeys([*added.split(), f"127.0.0.1:{practice_port}", f"localhost:{practice_port}"]))


def number(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise ConfigError(f"{name} has to be a whole number from {least} to {most}, not {text!r}.")
    return int(text)


def socket_url(instance: Path) -> str:
    """The queue's unix socket: under ``instance/run``, or in a short private folder where that path would be too long."""
    path = instance / "run" / "queue.sock"
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        mark = hashlib.sha256(os.fsencode(instance)).hexdigest()[:12]
        path = Path(tempfile.gettempdir()) / f"cartlink-{os.getuid()}-{mark}" / "queue.sock"
    return f"unix://{quote(str(path))}"


def make_socket_folder(folder: Path) -> None:
    """Make the socket's folder, or make sure that it is ours alone. Raises ConfigError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) != 0o700:
        raise ConfigError(f"{folder} is not a folder of yours alone: remove it, or set TMPDIR to another place.")


def socket_path(redis_url: str) -> Path:
    """The file behind a ``unix://`` REDIS_URL."""
    return Path(unquote(urlsplit(redis_url).path))


def prepare_instance(plan: Plan) -> None:
    """Make the folder (0700), the keyring and the settings (0600). A keyring that is there is never written again.

    Raises ConfigError."""
    try:
        for folder in (plan.instance, plan.run_folder, plan.instance / "queue"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        if plan.own_queue:
            make_socket_folder(socket_path(plan.redis_url).parent)
        if "SECRET_KEYS_FILE" in plan.settings:
            make_keyring(plan)
        text = HEADER + "".join(f"{name}={value}\n" for name, value in plan.settings.items())
        write_private(plan.settings_file, text, replace=True)
    except OSError as cause:
        raise ConfigError(f"{cause.filename or plan.instance} cannot be written: {cause.strerror}.") from None


def make_keyring(plan: Plan) -> None:
    path = Path(plan.settings["SECRET_KEYS_FILE"])
    if path.exists():
        return
    if (plan.instance / "cartlink.sqlite").exists():
        raise ConfigError(
            f"{path} is missing, and without it the stored API keys cannot be read: restore it from your backup, "
            f"or move {plan.instance} away to start again."
        )
    write_private(path, Fernet.generate_key().decode() + "\n", replace=False)


def write_private(path: Path, text: str, *, replace: bool) -> None:
    """Write a file that only its owner may read, whole or not at all; one that exists stays unless ``replace``."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            Path(temporary).replace(path)
        else:
            os.link(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def busy(port: int) -> str:
    """Why a port on 127.0.0.1 cannot be listened on, or an empty text."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return "may be used by the administrator only"
        except OSError:
            return "is in use by another program"
    return ""
