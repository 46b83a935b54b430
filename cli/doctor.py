"""``flask doctor``: check this installation, and say what to fix."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from cli.failures import Group
from cli.output import json_option, say, write_object
from jobs import doctor
from services.operations.doctor import BAD, OK, WARN


@click.group("doctor", cls=Group, invoke_without_command=True)
@json_option
@click.pass_context
@with_appcontext
def group(ctx: click.Context, as_json: bool) -> None:
    """Check this installation, and say what to fix. Exit code 1 if something is bad."""
    levels: Counter[str] = Counter()
    for finding in doctor.examine():
        levels[finding.level] += 1
        if as_json:
            write_object(asdict(finding))
        else:
            advice = f" {finding.advice}" if finding.level != OK else ""
            say(f"{finding.level:<4}  {finding.name}: {finding.sentence}{advice}")
    if not as_json:
        say(f"{levels[OK]} ok, {levels[WARN]} to look at, {levels[BAD]} bad.")
    if levels[BAD]:
        ctx.exit(1)
