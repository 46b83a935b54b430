"""Commands that take something away for good ask first, or need --yes, as pages do (tests/blueprints/test_asks_first.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from cli import GROUPS
from cli.failures import Failed
from cli.inputs import agree
from tests.cli.conftest import Commands
from tests.house.test_audited import PRESET
from tests.support.reach import takes_away
from tests.support.signed_in import user_called

ENDS = re.compile(r"(remove|drop|delete|revoke|retire|erase|forget)\b")
AT_ONCE = {
    **dict.fromkeys(("integrations enable", "integrations disable"), "each undoes the other"),
    **dict.fromkeys(("users disable",), "`users enable` lets the user in again, and the command says so"),
    **dict.fromkeys(("orders undo-shipment", "orders void-shipment"), "the order can be shipped again, and the command says what is left in the shop"),
    **dict.fromkeys(("runs undo", "stock undo"), "they have --preview, and what they undo can be done again"),
    "feeds undo": "the next run brings the quantities again",
    "feeds drop": "`feeds fetch` gets the file again, and the command says so",
    "runs stop": "the flow runs again when it is due, or by `sync`",
    "keys rotate": "the old keys stay in the file",
    "tokens rotate": "the present token stays valid meanwhile, and the command says how long",
    **dict.fromkeys(("shipments import", "stock import", "stock threshold", "orders recheck"), "they set and keep; nothing that a person made is lost"),
}  # fmt: skip
"""What acts without a question, and why."""


def all_commands() -> Iterator[tuple[str, click.Command]]:
    for group in GROUPS:
        for name, command in getattr(group, "commands", {"": group}).items():
            yield f"{group.name} {name}".strip(), command


def test_what_takes_something_away_has_yes_or_says_how_to_get_it_back() -> None:
    ending = {name: each for name, each in all_commands() if each.callback and (takes_away(each.callback) or ENDS.search(name))}
    asking = {name for name, each in ending.items() if any("--yes" in option.opts for option in each.params)}
    assert len(asking) > 6 and ending.keys() - asking == AT_ONCE.keys()


def test_yes_is_the_same_option_everywhere() -> None:
    said = {
        (option.help, option.is_flag)
        for _, each in all_commands()
        for option in each.params
        if isinstance(option, click.Option) and "--yes" in option.opts
    }
    assert said == {("Do not ask for confirmation.", True)}


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        (("carriers", "remove", "Bike"), "Shipments keep its name"),
        (("presets", "remove", "ACME"), "have to be chosen again"),
        (("tokens", "revoke", "WMS"), "is refused from now on"),
    ],
)
def test_without_an_answer_nothing_is_gone(commands: Commands, words: tuple[str, ...], gone: str) -> None:
    user_called("Zoe")
    commands.done("carriers", "save", "Bike")
    commands.done("presets", "import", "-", input=PRESET)
    commands.done("tokens", "create", "WMS", "--user", "Zoe", "--scope", "orders:read")
    for typed in ("n\n", ""):
        answer = commands.call(*words, input=typed)
        assert (answer.exit_code, answer.stdout) == (1, "") and not commands.changed
        assert gone in answer.stderr and "Nothing was re" in answer.stderr and ("--yes" in answer.stderr) == (not typed)
    commands.done(*words, input="y\n")


def test_a_closed_standard_input_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(Failed, match="Use --yes"):
        agree(False, "Remove it?")
    agree(True, "Remove it?")
