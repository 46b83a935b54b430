"""The ``flask`` commands: thin over services and jobs. Exit codes: 0 done, 1 failed with one sentence, 2 wrong usage.

One file a group. ``output`` writes tables and JSON, ``inputs`` reads what was typed or lies in a file, ``failures`` turns
every error into its sentence, ``progress`` shows a run that is done in place.
"""

from flask import Flask

from cli import (
    audit,
    backup,
    carriers,
    doctor,
    exports,
    feed_runs,
    feeds,
    integrations,
    keys,
    listings,
    order_exports,
    order_notes,
    orders,
    presets,
    privacy,
    retention,
    runs,
    shipments,
    stock,
    suppliers,
    support,
    sync,
    tokens,
    users,
    version,
)
from cli.backup import brings_keyring
from cli.failures import ends_commands

__all__ = ["brings_keyring", "ends_commands", "feed_runs", "order_exports", "order_notes", "register"]
# order_exports and order_notes add their commands to the group of orders, feed_runs to that of feeds.

GROUPS = (
    integrations.group,
    sync.group,
    orders.group,
    shipments.group,
    carriers.group,
    presets.group,
    exports.group,
    listings.group,
    stock.group,
    suppliers.group,
    feeds.group,
    runs.group,
    users.group,
    tokens.group,
    audit.group,
    keys.group,
    privacy.group,
    backup.group,
    retention.group,
    doctor.group,
    support.group,
    version.command,
)


def register(app: Flask) -> None:
    """Add every command to ``flask``."""
    for group in GROUPS:
        app.cli.add_command(group)
