"""``flask backup``: database and keyring in one archive, and back."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cli.failures import Group
from cli.output import say
from config import VERSION
from errors import QueueAway
from jobs.metrics import read_queue
from services.operations import backup

NAME = "backup"
group = Group(NAME, help="Database and keyring: back up, restore.")


def brings_keyring() -> bool:
    """Whether this process is ``flask backup restore``, which has to start without a keyring or with a wrong one."""
    return click.get_current_context(silent=True) is not None and [NAME, "restore"] in [sys.argv[n : n + 2] for n in range(6)]


@group.command("create")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def create(file: Path) -> None:
    """Write database and keyring into FILE, while Cartlink runs."""
    manifest = backup.create(file)
    size = file.stat().st_size / 1e6
    counts = ", ".join(f"{count} {name.replace('_', ' ')}s" for name, count in manifest.counts.items())
    say(f"{file}: {size:.1f} MB, schema {manifest.schema}, {counts}.")
    say("This file contains every stored API key. Keep it where only you can read it, and not only on this machine.")


@group.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def restore(file: Path) -> None:
    """Replace database and keyring by those in FILE. The present ones are kept next to them."""
    restored = backup.restore(file, running())
    made = restored.manifest.made_at.strftime("%Y-%m-%d %H:%M UTC")
    say(f"Restored what was backed up on {made} by Cartlink {restored.manifest.version}.")
    for path in restored.aside:
        say(f"The previous file is kept as {path}.")
    if restored.upgrade:
        say(
            f"Its schema is older than that of Cartlink {VERSION}: run `flask --app app db upgrade` and then "
            "`flask --app app backup restored` before you start anything."
        )
    say("Start Cartlink again. It downloads what the shops have sold since the backup, and compares stock before it sends any.")


@group.command("restored")
def restored() -> None:
    """Say once that the database was replaced by an older copy with other tools, such as pg_restore."""
    backup.note_restored()
    say("Programs that have read events since that copy was made get 410 and have to read everything again.")


def running() -> list[str]:
    """The parts of this installation that are running according to the queue; none if the queue does not answer."""
    try:
        queue = read_queue()
    except QueueAway:
        return []
    parts = [f"worker {worker.name[:8]} on {worker.host or 'some machine'}" for worker in queue.workers]
    return parts + ["a scheduler"] * bool(queue.schedulers)
