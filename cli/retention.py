"""``flask retention``: show how long data is kept, and delete old data now."""

from __future__ import annotations

from flask import current_app

from cli.failures import Group
from cli.output import say, write_fields
from services.operations import retention

group = Group("retention", help="How long data is kept: show, run.")


@group.command("show")
def show() -> None:
    """Show for how many days data is kept."""
    config = current_app.config["CARTLINK"]
    kept = {
        "sync runs and what they did row by row": config.keep_runs_days,
        "the audit trail": config.keep_changes_days,
        "resolved incidents, and messages": config.keep_deliveries_days,
        "uploaded files": config.keep_files_days,
    }
    write_fields((what, f"{days} days" if days else "for good") for what, days in kept.items())


@group.command("run")
def run() -> None:
    """Delete old data now."""
    say(retention.forget_old().sentence())
