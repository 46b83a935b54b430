"""``flask retention``: what is forgotten after how long, and done now."""

from __future__ import annotations

from flask import current_app

from cli.failures import Group
from cli.output import say, write_fields
from services import retention

group = Group("retention", help="What is forgotten, and when: show, run.")


@group.command("show")
def show() -> None:
    """Show after how many days what is forgotten."""
    config = current_app.config["CARTLINK"]
    kept = {
        "sync runs and what they did row by row": config.keep_runs_days,
        "the audit trail": config.keep_changes_days,
        "incidents that are over, and messages": config.keep_deliveries_days,
        "uploaded files": config.keep_files_days,
    }
    write_fields((what, f"{days} days" if days else "for good") for what, days in kept.items())


@group.command("run")
def run() -> None:
    """Forget what is old now, and not some time today."""
    say(retention.forget_old().sentence())
