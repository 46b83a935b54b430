"""``flask support``: a bundle with what is needed to help you, without secrets and customers' data."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from cli.failures import Group
from cli.output import say
from errors import QueueAway
from jobs import doctor
from jobs.metrics import read_queue
from services.operations import support_bundle

group = Group("support", help="A bundle for support.")


@group.command("bundle")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--log", "logs", type=click.Path(path_type=Path), multiple=True, help="A log file; its end is included.")
def bundle(file: Path, logs: tuple[Path, ...]) -> None:
    """Write versions, settings, the doctor's findings, the latest runs and errors into FILE, with all secrets masked."""
    size = support_bundle.write_bundle(file, {"doctor.txt": findings(), "queue.json": queue()}, logs)
    say(f"{file}: {size / 1000:.0f} kB. Keys, passwords, names and addresses are masked. Check it before you send it.")


def findings() -> str:
    return "".join(f"{each.level:<4}  {each.name}: {each.sentence} {each.advice}".rstrip() + "\n" for each in doctor.examine())


def queue() -> str:
    try:
        return msgspec.json.encode(read_queue()).decode() + "\n"
    except QueueAway as away:
        return f"{away.sentence()}\n"
