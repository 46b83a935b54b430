"""``flask backup``: database and keyring in one archive, and back."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cli.failures import Group
from cli.output import say
from config import VERSION
from errors import QueueAway
from jobs.figures import read_queue
from services import backup

NAME = "backup"
group = Group(NAME, help="Database and keyring: back up, restore.")


def brings_keyring() -> bool:
    """Whether this process is ``flask backup restore``: it has to start where there is no keyring yet, or a wrong one."""
    return click.get_current_context(silent=True) is not None and [NAME, "restore"] in [sys.argv[n : n + 2] for n in range(6)]


@group.command("create")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def create(file: Path) -> None:
    """Write database and keyring into FILE, while everything runs."""
    manifest = backup.create(file)
    size = file.stat().st_size / 1e6
    counts = ", ".join(f"{count} {name.replace('_', ' ')}s" for name, count in manifest.counts.items())
    say(f"{file}: {size:.1f} MB, schema {manifest.schema}, {counts}.")
    say("Whoever has this file has every stored API key. Keep it where only you can read it, and not on this machine alone.")


@group.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def restore(file: Path) -> None:
    """Put the database and the keyring of FILE in the place of those here, which are kept beside them."""
    restored = backup.restore(file, running())
    made = restored.manifest.made_at.strftime("%Y-%m-%d %H:%M UTC")
    say(f"Restored what was backed up on {made} by Cartlink {restored.manifest.version}.")
    for path in restored.aside:
        say(f"What was here is kept as {path}.")
    if restored.upgrade:
        say(f"Its schema is older than that of Cartlink {VERSION}: run `flask --app app db upgrade` before you start anything.")
    say(
        "Start Cartlink again. What the shops sold since the backup is downloaded by itself, and stock is compared before it is sent."
    )


def running() -> list[str]:
    """The parts of this installation that are at work, as far as the queue knows. Without a queue none of them is."""
    try:
        queue = read_queue()
    except QueueAway:
        return []
    parts = [f"worker {worker.name[:8]} on {worker.host or 'some machine'}" for worker in queue.workers]
    return parts + ["a scheduler"] * bool(queue.schedulers)
