"""API tokens: who may make them, what they allow, and what ends them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from errors import Conflict, InvalidInput, NameTaken, NotFound
from extensions import db, writing
from models import ApiToken, Delivery, Preference
from models.types import utcnow
from services.accounts import token_expiry, tokens, users
from services.accounts.tokens import SCOPES, TokenRefused
from services.security import trail
from tests.support.signed_in import user_called

pytestmark = pytest.mark.usefixtures("app")
HERE = "203.0.113.7"


@pytest.fixture
def ann() -> int:
    return user_called("Ann", "manager")


def issue(user_id: int, name: str = "ERP", scopes: tuple[str, ...] = ("orders:read",), **options) -> tokens.Issued:
    return tokens.create_token(user_id, name, scopes, "user:Ann", **options)


def refusal(token: str, address: str = HERE) -> str:
    with pytest.raises(TokenRefused) as refused:
        tokens.find_holder(token, address)
    assert refused.value.status == 401
    return refused.value.code


def age(**values) -> None:
    with writing() as session:
        session.execute(update(ApiToken).values(**{name: utcnow() - by for name, by in values.items()}))


def test_a_token_lets_its_holder_in_and_only_its_hash_is_stored(ann):
    issued = issue(ann, scopes=("orders:read", "stock:write"))
    assert tokens.PATTERN.fullmatch(issued.token)
    holder = tokens.find_holder(issued.token, HERE)
    assert (holder.actor, holder.user, holder.role) == ("api:ERP", "Ann", "manager")
    assert holder.scopes == {"orders:read", "stock:write"}
    assert not holder.may_see_customers
    assert timedelta(days=89) < holder.expires_at - utcnow() <= timedelta(days=90)
    stored = str([tuple(row) for row in db.session.execute(text("SELECT * FROM api_token"))])
    assert issued.token not in stored and issued.token[17:49] not in stored


def test_what_is_no_token_is_refused_without_saying_why(ann):
    good = issue(ann).token
    other_secret = tokens._new_token(good[4:16])[1]
    for wrong in (
        "",
        "ctl_",
        good[:-1],
        good + "x",
        good[:-1] + ("a" if good[-1] != "a" else "b"),
        good.upper(),
        other_secret,
        "ä" * 55,
    ):
        assert refusal(wrong) == "token_invalid"
    assert refusal(tokens._new_token()[1]) == "token_invalid"


def test_a_revoked_and_an_expired_token_say_so_to_who_holds_them(ann):
    issued = issue(ann)
    assert tokens.revoke_token(issued.id, "user:Ann") == "ERP"
    assert tokens.revoke_token(issued.id, "user:Ann") == "ERP"
    assert refusal(issued.token) == "token_revoked"
    again = issue(ann, "ERP")
    age(expires_at=timedelta(seconds=1))
    assert refusal(again.token) == "token_expired"
    assert [token.state for token in tokens.list_tokens()] == ["expired", "revoked"]


def test_a_token_does_what_its_owners_present_role_allows(ann):
    issued = issue(ann, scopes=("orders:read", "customers:read", "stock:write"))
    assert tokens.find_holder(issued.token, HERE).may_see_customers
    user_called("Olive", "owner")
    users.change_role(ann, "viewer", False)
    assert tokens.find_holder(issued.token, HERE).scopes == {"orders:read"}
    users.change_role(ann, "viewer", True)
    assert tokens.find_holder(issued.token, HERE).scopes == {"orders:read", "customers:read"}
    users.disable_user(ann)
    assert refusal(issued.token) == "token_revoked"


def test_a_scope_that_the_role_does_not_allow_is_refused():
    viewer = user_called("Vera", "viewer")
    with pytest.raises(InvalidInput, match=r"does not allow stock:write\.") as refused:
        issue(viewer, scopes=("stock:read", "stock:write"))
    assert refused.value.field == "scopes"
    with pytest.raises(InvalidInput, match="customers:read"):
        issue(viewer, scopes=("customers:read",))
    assert tokens.list_tokens() == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"), ({"name": "a\u202eb"}, "name"), ({"scopes": ()}, "scopes"), ({"scopes": ("all",)}, "scopes"),
        ({"days": 0}, "days"), ({"days": 366}, "days"), ({"addresses": ["shop.example"]}, "addresses"),
        ({"addresses": [f"10.0.0.{n}" for n in range(21)]}, "addresses"),
    ],
)  # fmt: skip
@pytest.mark.one_database
def test_what_cannot_be_is_refused_at_its_field(ann, changes, field):
    with pytest.raises(InvalidInput) as refused:
        issue(ann, **changes)
    assert refused.value.field == field


def test_two_valid_tokens_never_have_one_name(ann):
    issue(ann, "ERP")
    with pytest.raises(NameTaken):
        issue(ann, "erp ")
    with pytest.raises(NotFound):
        issue(999_999, "WMS")


def test_a_token_works_from_its_addresses_only(ann):
    issued = issue(ann, addresses=["203.0.113.0/24", "2001:db8::7/64"])
    assert tokens.get_token(issued.id).addresses == ("203.0.113.0/24", "2001:db8::/64")
    for address in (HERE, "::ffff:203.0.113.9", "2001:db8::1"):
        assert tokens.find_holder(issued.token, address).name == "ERP"
    for address in ("198.51.100.1", "2001:db8:1::1", "", "unix"):
        assert refusal(issued.token, address) == "token_address"


def test_after_a_rotation_both_secrets_work_until_the_overlap_ends(ann):
    first = issue(ann)
    second = tokens.rotate_token(first.id, "user:Ann")
    assert second.id == first.id and second.token != first.token
    assert tokens.find_holder(first.token, HERE).row_id == tokens.find_holder(second.token, HERE).row_id
    age(previous_until=timedelta(seconds=1))
    assert refusal(first.token) == "token_rotated"
    assert tokens.find_holder(second.token, HERE).name == "ERP"
    third = tokens.rotate_token(first.id, "user:Ann", overlap_hours=0)
    assert refusal(second.token) == "token_rotated"
    assert refusal(first.token) == "token_invalid"
    tokens.revoke_token(first.id, "user:Ann")
    assert refusal(third.token) == "token_revoked"
    with pytest.raises(Conflict):
        tokens.rotate_token(first.id, "user:Ann")
    with pytest.raises(InvalidInput):
        tokens.rotate_token(first.id, "user:Ann", overlap_hours=169)


def test_the_last_use_is_noted_to_the_minute(ann):
    issued = issue(ann)
    tokens.note_use(tokens.find_holder(issued.token, HERE), HERE)
    first = tokens.get_token(issued.id)
    assert first.used_at is not None and first.used_from == HERE
    tokens.note_use(tokens.find_holder(issued.token, "198.51.100.1"), "198.51.100.1")
    assert tokens.get_token(issued.id) == first


def test_the_audit_trail_says_who_did_what_and_never_the_token(ann):
    issued = issue(ann, scopes=("orders:read",))
    second = tokens.rotate_token(issued.id, "cli:root")
    tokens.revoke_token(issued.id, "user:Olive")
    rows = trail.list_page(trail.Wanted(object="api_token")).rows
    assert [(row.actor, row.subject, row.what) for row in rows] == [
        ("user:Olive", "ERP", "API token revoked"), ("cli:root", "ERP", "API token rotated"), ("user:Ann", "ERP", "API token created"),
    ]  # fmt: skip
    assert not any(token.token[17:] in str(rows) for token in (issued, second))


@pytest.mark.one_database
def test_tokens_are_listed_and_found_by_name_or_id(ann):
    issued, other = issue(ann, "WMS"), issue(user_called("Ben", "viewer"), "ERP")
    assert [token.name for token in tokens.list_tokens()] == ["ERP", "WMS"]
    assert [token.name for token in tokens.list_tokens(ann)] == ["WMS"]
    assert tokens.find_token("wms").id == tokens.find_token(issued.id).id == issued.id
    assert tokens.find_token(other.id).user == "Ben"
    with pytest.raises(NotFound):
        tokens.find_token("CRM")


@pytest.mark.one_database
def test_a_token_is_gone_with_its_user(ann):
    issue(ann)
    with writing() as session:
        session.execute(text('DELETE FROM "user" WHERE id = :id'), {"id": ann})
    assert db.session.scalar(select(ApiToken.id)) is None


def test_each_scope_is_for_a_role():
    assert tokens.allowed_scopes("owner", False) == set(SCOPES)
    assert tokens.allowed_scopes("viewer", True) == {name for name in SCOPES if name.endswith(":read")}


@pytest.mark.config(smtp_host="127.0.0.1", smtp_from="cartlink@example.com")
def test_its_user_is_warned_two_weeks_and_two_days_before_a_token_expires(ann, clock):
    with writing() as session:
        session.add(Preference(user_id=ann, email="ann@shop.example"))
    long = tokens.create_token(ann, "ERP", ["stock:read"], "test", days=30)
    tokens.create_token(ann, "Short", ["stock:read"], "test", days=10)
    tokens.revoke_token(tokens.create_token(ann, "Gone", ["stock:read"], "test", days=30).id, "test")

    def warned() -> list[str]:
        token_expiry.warn()
        db.session.rollback()
        mails = db.session.scalars(
            select(Delivery).where(Delivery.content["subject"].as_string().contains("expires soon")).order_by(Delivery.id)
        )
        found = [mail.content["subject"].split()[3] for mail in mails]
        db.session.rollback()
        return found

    assert warned() == []
    clock.go(days=8, minutes=1)
    assert warned() == warned() == ["Short"]
    clock.go(days=8)
    assert warned() == warned() == ["Short", "ERP"]
    tokens.rotate_token(long.id, "test", days=20)
    clock.go(days=7)
    assert warned() == ["Short", "ERP", "ERP"]
    clock.go(days=11, minutes=1)
    assert warned() == ["Short", "ERP", "ERP", "ERP"]
    clock.go(days=3)
    assert warned() == ["Short", "ERP", "ERP", "ERP"]
