"""docs/commands.md describes every command and option there is, and none that is not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from cli import GROUPS
from tests.support.processes import ROOT

TEXT = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### `([^`]+)`\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL))


def registered() -> Iterator[tuple[str, click.Command]]:
    for group in GROUPS:
        if not isinstance(group, click.Group):
            yield group.name, group
            continue
        if group.invoke_without_command:
            yield group.name, group
        for name, command in group.commands.items():
            if command.hidden:
                # The former name of another command.
                continue
            yield f"{group.name} {name}", command


def test_every_command_has_its_section_and_every_section_its_command():
    assert set(SECTIONS) == {name for name, _ in registered()}


def test_every_option_is_named_in_its_section_or_for_all_three_of_sync():
    missing = []
    for name, command in registered():
        described = (
            "".join(body for title, body in SECTIONS.items() if title.split()[0] == "sync")
            if name.startswith("sync")
            else SECTIONS[name]
        )
        for option in (one for one in command.params if isinstance(one, click.Option)):
            missing += [f"{name} {flag}" for flag in (*option.opts, *option.secondary_opts) if f"`{flag}" not in described]
    assert missing == []


def test_no_section_names_an_option_that_is_not_there():
    strays = []
    for name, command in registered():
        flags = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
        strays += [f"{name} {flag}" for flag in re.findall(r"`(--[a-z-]+)", SECTIONS[name]) if flag not in flags | {"--now"}]
    assert strays == []


def test_every_command_says_what_it_does():
    assert [name for name, command in registered() if not command.get_short_help_str()] == []
