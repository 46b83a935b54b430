"""``flask tokens``."""

from __future__ import annotations

from services.accounts import tokens
from tests.support.signed_in import user_called


def test_a_token_is_created_listed_rotated_and_revoked(commands, app):
    user_called("Ann", "manager")
    made = commands.call(
        "tokens", "create", "ERP", "--user", "ann", "--scope", "orders:read", "--scope", "stock:write", "--address", "10.0.0.0/8"
    )
    assert made.exit_code == 0
    (token,) = made.stdout.splitlines()
    assert "not shown again" in made.stderr
    assert tokens.find_holder(token, "10.1.2.3").scopes == {"orders:read", "stock:write"}
    (row,) = commands.rows("tokens", "list")
    assert (row["name"], row["id"], row["user"], row["state"]) == ("ERP", token[4:16], "Ann", "valid")
    assert row["scopes"] == ["orders:read", "stock:write"] and row["addresses"] == ["10.0.0.0/8"]
    assert "ERP" in commands.done("tokens", "list")
    second = commands.done("tokens", "rotate", "erp", "--overlap-hours", "0").strip()
    assert tokens.find_holder(second, "10.1.2.3").name == "ERP"
    assert commands.done("tokens", "revoke", token[4:16], "--yes") == "The token ERP is revoked.\n"
    assert [each["state"] for each in commands.rows("tokens", "list")] == ["revoked"]


def test_what_cannot_be_ends_in_one_sentence(commands, app):
    assert "There are no tokens." in commands.done("tokens", "list")
    assert "There is no user called" in commands.refused("tokens", "create", "ERP", "--user", "ann", "--scope", "orders:read")
    user_called("Ann", "viewer")
    assert "does not allow" in commands.refused("tokens", "create", "ERP", "--user", "ann", "--scope", "orders:write")
    assert "1 to 365" in commands.refused("tokens", "create", "ERP", "--user", "ann", "--scope", "orders:read", "--days", "0")
    assert commands.call("tokens", "create", "ERP", "--user", "ann", "--scope", "everything").exit_code == 2
    assert "There is no token" in commands.refused("tokens", "revoke", "ERP", "--yes")
