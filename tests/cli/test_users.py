"""``flask users``, ``flask keys`` and ``flask privacy``."""

from __future__ import annotations

import json

import pytest

from errors import InvalidInput
from extensions import db
from models import Integration
from services.accounts import users
from services.operations import privacy
from tests.blueprints.rows import add_integration
from tests.support.rows import make_integration, make_order

GOOD = "plum kettle orbit seven"


class TestUsers:
    def test_a_user_is_made_with_a_link_alone_on_standard_output(self, commands, app):
        result = commands.call("users", "create", "Ann", "--role", "owner")
        assert result.exit_code == 0
        (link,) = result.stdout.splitlines()
        assert link.startswith("/set-password?code=")
        assert "Send this link to Ann" in result.stderr
        assert "PUBLIC_URL" in result.stderr
        users.set_password(link.partition("code=")[2], GOOD)
        assert users.check_password("ann", GOOD).role == "owner"
        assert users.find_user("Ann").created_by.startswith("cli:")

    @pytest.mark.config(public_url="https://cartlink.example")
    def test_the_link_stands_under_the_public_address(self, commands):
        result = commands.call("users", "create", "Ann")
        assert result.stdout.startswith("https://cartlink.example/set-password?code=")
        assert "PUBLIC_URL" not in result.stderr

    def test_a_password_may_come_from_a_file_or_standard_input_but_not_as_an_argument(self, commands, tmp_path):
        file = tmp_path / "password"
        file.write_text(GOOD + "\n")
        assert commands.done("users", "create", "Ann", "--password-file", str(file)) == "Ann can sign in.\n"
        assert commands.done("users", "create", "Ben", "--password-file", "-", input=GOOD) == "Ben can sign in.\n"
        assert users.check_password("Ann", GOOD) and users.check_password("Ben", GOOD)
        assert commands.call("users", "create", "Cy", "--password", GOOD).exit_code == 2

    @pytest.mark.parametrize(
        ("words", "given", "sentence"),
        [
            (("Ann", "--password-file", "-"), "short", "it needs at least 12"),
            (("Ann", "--password-file", "-"), "", "has to contain a password"),
            (("Ann", "--password-file", "-"), "one\ntwo", "has to contain a password"),
            (("Ann", "--password-file", "/nowhere"), None, "There is no file /nowhere."),
            (("",), None, "Enter a name"),
        ],
    )
    def test_what_cannot_be_is_refused_and_nobody_made(self, commands, words, given, sentence):
        assert sentence in commands.refused("users", "create", *words, input=given)
        assert users.needs_first_run()

    def test_they_are_listed(self, commands):
        commands.done("users", "create", "Ann", "--role", "viewer", "--sees-customers")
        assert commands.rows("users", "list") == [
            {"name": "Ann", "role": "viewer", "status": "no password yet", "sees_customers": True, "two_step": False, "sessions": 0,
             "seen_at": None}
        ]  # fmt: skip
        assert "no password yet" in commands.done("users", "list")

    def test_reset_disable_and_enable(self, commands):
        users.create_user("Ann", "owner", "test", password=GOOD)
        users.create_user("Ben", "owner", "test", password=GOOD)
        link = commands.done("users", "reset", "ANN", "--two-step-off").strip()
        users.set_password(link.partition("code=")[2], "violet harbour nine lamps")
        assert commands.done("users", "disable", "ben").startswith("Ben is signed out everywhere")
        with pytest.raises(InvalidInput, match="This user is disabled"):
            users.check_password("Ben", GOOD)
        assert "is the only owner" in commands.refused("users", "disable", "Ann")
        assert commands.done("users", "enable", "ben") == "Ben can sign in again.\n"
        assert users.check_password("Ben", GOOD) is not None
        for act in ("reset", "disable", "enable"):
            assert "There is no user called 'Nobody'." in commands.refused("users", act, "Nobody")


class TestKeys:
    def test_with_keys_of_the_environment(self, commands):
        make_integration(key="an api key")
        assert commands.done("keys", "check") == "All 1 stored secrets can be read with this keyring.\n"
        assert "encrypted with the first key of SECRET_KEYS" in commands.done("keys", "rotate")
        assert "The keys are in the environment" in commands.refused("keys", "retire")


class TestPrivacy:
    def test_the_time_is_set_shown_and_taken_back(self, commands):
        assert commands.done("privacy", "keep") == "Customers' data is kept forever.\n"
        assert commands.done("privacy", "keep", "30").startswith("Customers' data is erased 30 days")
        assert privacy.erased_after() == 30
        commands.done("privacy", "keep", "forever")
        assert privacy.erased_after() is None
        for days in ("0", "soon", "99999"):
            commands.refused("privacy", "keep", days)
        assert privacy.erased_after() is None

    def test_an_order_is_given_out_and_erased_after_a_yes(self, commands):
        shop = db.session.get_one(Integration, add_integration())
        order_id = make_order(shop, "1001", [("CUP", 1)], state="shipped", email="x@planted.example").id
        assert json.loads(commands.done("privacy", "export", "1001"))["email"] == "x@planted.example"
        assert commands.call("privacy", "erase", "1001", input="n\n").exit_code == 1
        assert privacy.get_order(order_id).email
        db.session.rollback()
        assert "is erased" in commands.done("privacy", "erase", "1001", "--yes")
        assert privacy.get_order(order_id).email == ""
        assert "There is no order" in commands.refused("privacy", "erase", "77", "--yes")

    def test_of_several_shops_one_has_to_be_named(self, commands):
        for name in ("First", "Second"):
            make_order(db.session.get_one(Integration, add_integration(name)), "1001", [("CUP", 1)], state="shipped")
        assert "Choose one with --integration" in commands.refused("privacy", "erase", "1001", "--yes")
        assert "is erased" in commands.done("privacy", "erase", "1001", "--yes", "--integration", "second")
