"""Which parts there are (the lines of ``Procfile.dev``) and how supervisord learns about them."""

from __future__ import annotations

import os
import pwd
import shlex
import sys
from pathlib import Path

from config import ROOT
from local_run.settings import Plan

PATIENCE = {"queue": 10, "shop": 5, "web": 20, "worker": 25, "syncs": 25, "ticks": 25, "scheduler": 5}
"""Seconds a part may take to end in order, before it is killed."""
ORDER = ("queue", "shop", "web", "ticks", "syncs", "worker", "scheduler")
"""Started in this order."""


def read_procfile(path: Path) -> dict[str, str]:
    """The commands of a Procfile by name."""
    commands = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, colon, command = line.partition(":")
        if colon and not name.startswith("#"):
            commands[name.strip()] = command.strip()
    return commands


def supervisor_config(plan: Plan, commands: dict[str, str]) -> str:
    """The text of a configuration file for supervisord."""
    sections = [
        section(
            "supervisord",
            nodaemon="true", silent="true", logfile=plan.run_folder / "supervisord.log", logfile_maxbytes="1MB",
            logfile_backups="1", pidfile=plan.run_folder / "supervisord.pid", directory=ROOT, identifier="cartlink",
            minfds="256", minprocs="16", umask="077", nocleanup="true",
            **({"user": pwd.getpwuid(0).pw_name} if os.geteuid() == 0 else {}),
        )
    ]  # fmt: skip
    for name, command in commands.items():
        if name == "queue" and not plan.own_queue:
            continue
        # One of the workers is ``syncs``: it takes nothing that people start.
        copies = max(1, plan.workers - 1) if name == "worker" else 1
        sections.append(
            section(
                f"program:{name}",
                command=shlex.join([sys.executable, "-m", "local_run.part", name, command]),
                process_name="%(program_name)s_%(process_num)d" if copies > 1 else "%(program_name)s",
                numprocs=copies, numprocs_start="1", priority=ORDER.index(name) if name in ORDER else len(ORDER),
                autorestart="true", startsecs="3", startretries="1000000", stopsignal="TERM",
                stopwaitsecs=PATIENCE.get(name, 10), killasgroup="true", redirect_stderr="true", stdout_logfile="NONE",
                stdout_events_enabled="true",
            )
        )  # fmt: skip
    # A group's parts are asked to stop all at once; the queue, a separate group, when they have.
    others = ",".join(name for name in commands if name != "queue")
    sections.append(section("group:cartlink", programs=others, priority=ORDER.index("shop")))
    return "\n".join(sections)


def section(name: str, **values: object) -> str:
    """One section. A per cent sign would be taken for a placeholder, save in ``process_name``."""
    lines = [f"[{name}]"]
    for key, value in values.items():
        text = str(value)
        lines.append(f"{key}={text if key == 'process_name' else text.replace('%', '%%')}")
    return "\n".join(lines) + "\n"
