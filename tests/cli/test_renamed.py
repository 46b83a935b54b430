"""Former names of commands work for one version and say which name replaces them."""

from __future__ import annotations

import click
import pytest

from cli import GROUPS
from tests.support.rows import make_integration, make_order

HIDDEN = [
    (group.name, name) for group in GROUPS if isinstance(group, click.Group)
    for name, command in group.commands.items() if command.hidden
]  # fmt: skip


def test_these_are_renamed():
    assert sorted(HIDDEN) == [
        ("integrations", "acknowledge"), ("listings", "rename"), ("orders", "acknowledge"), ("orders", "evaluate"),
        ("orders", "mark-handled"), ("sync", "receipts"),
    ]  # fmt: skip


def test_a_former_name_does_the_same_and_names_its_replacement(commands):
    integration = make_integration("One")
    make_order(integration, "7", [("A", 1)])
    old, new = commands.call("orders", "evaluate", "7"), commands.call("orders", "recheck", "7")
    assert (old.exit_code, old.stdout) == (0, new.stdout)
    assert old.stderr == "`orders evaluate` is called `orders recheck` now.\n" and not new.stderr
    said = commands.call("integrations", "acknowledge", "one")
    assert (said.exit_code, said.stdout) == (0, "One: there is nothing to mark as seen.\n")
    assert "`integrations mark-seen`" in said.stderr


def test_a_former_value_of_an_option_means_the_same_and_names_its_replacement(commands):
    old, new = (commands.call("orders", "list", "--state", state) for state in ("untold", "not_sent"))
    assert (old.exit_code, old.stdout) == (new.exit_code, new.stdout) == (0, "There are no such orders.\n")
    assert (old.stderr, new.stderr) == ("`untold` is called `not_sent` now.\n", "")


@pytest.mark.parametrize(("group", "name"), HIDDEN)
def test_help_lists_only_the_new_name(commands, group, name):
    listed = [line.split()[0] for line in commands.done(group, "--help").splitlines() if line.startswith("  ") and line.split()]
    assert name not in listed
