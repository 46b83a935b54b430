"""``flask support``: what somebody who helps has to know, without what is nobody's business."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from cli.failures import Group
from cli.output import say
from errors import QueueAway
from jobs import doctor
from jobs.figures import read_queue
from services import support

group = Group("support", help="A bundle for whoever helps you.")


@group.command("bundle")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--log", "logs", type=click.Path(path_type=Path), multiple=True, help="A log file whose end goes in too.")
def bundle(file: Path, logs: tuple[Path, ...]) -> None:
    """Write versions, settings, the doctor's findings, the latest runs and errors into FILE, with all secrets masked."""
    size = support.write_bundle(file, {"doctor.txt": findings(), "queue.json": queue()}, logs)
    say(f"{file}: {size / 1000:.0f} kB. Keys, passwords, names and addresses are masked; look through it before you send it.")


def findings() -> str:
    return "".join(f"{each.level:<4}  {each.name}: {each.sentence} {each.advice}".rstrip() + "\n" for each in doctor.examine())


def queue() -> str:
    try:
        return msgspec.json.encode(read_queue()).decode() + "\n"
    except QueueAway as away:
        return f"{away.sentence()}\n"
