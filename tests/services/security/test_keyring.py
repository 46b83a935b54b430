"""The keyring: renewed while everything runs, and refused where it is not the right one."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import LargeBinary, select

from app import create_app
from errors import ConfigError
from extensions import db, writing
from models import Draft, ExportTarget, Integration, OrderExport, Shop, User
from services.accounts import two_step
from services.events import endpoints
from services.feeds import suppliers
from services.onboarding import drafts
from services.security import keyring, vault
from tests.support.rows import make_integration
from tests.support.signed_in import user_called


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keyring"
    path.write_text(Fernet.generate_key().decode() + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture
def config(config, file):
    return replace(config, secret_keys_file=str(file), secret_keys=tuple(file.read_text().split()))


@pytest.fixture
def stored(app) -> int:
    """Secrets in each column there is for any; answers with their number."""
    for number in range(3):
        make_integration(f"Shop {number}", key=f"api key {number}")
    drafts.create("add", "xcart", "user:ann", {"api_key": "typed so far"})
    two_step.begin_setup(user_called("Ann"))
    with writing() as session:
        session.query(Draft).one().found_encrypted = vault.encrypt("what a shop showed")
        session.query(Shop).first().identity_key_encrypted = vault.encrypt("the key of digests of email addresses")
        session.query(User).one().two_step_encrypted = vault.encrypt("a seed in use")
    endpoints.create_endpoint("ERP", endpoints.check_address("https://example.com/events"), ["test"], "user:ann")
    endpoints.rotate_secret(endpoints.list_endpoints()[0].id, "user:ann")
    supplier_id = suppliers.create_supplier("Acme", None, "user:ann")
    feed = {"name": "Stock", "address": "https://supplier.example/stock.csv", "interval_seconds": 3600, "auth": "bearer"}
    suppliers.create_feed(supplier_id, "user:ann", **feed, secret="a token of a supplier")
    with writing() as session:
        export = OrderExport(name="Daily", name_key="daily", by="order", columns=["number"])
        session.add(export)
        session.flush()
        secret = vault.encrypt("a token of a warehouse")
        session.add(ExportTarget(export_id=export.id, method="https", address="https://example.com/", secret_encrypted=secret))
    return 13


def encrypted() -> list[bytes]:
    """All ciphertext there is, whichever column holds it."""
    db.session.rollback()
    found = [db.session.scalars(select(column).order_by(table.c.id)).all() for table, column in keyring.encrypted_columns()]
    return [one for column in found for one in column if one]


def first_key() -> bytes:
    db.session.rollback()
    return db.session.query(Integration).filter_by(name="Shop 0").one().key_encrypted


def keys(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").split()


@pytest.mark.one_database
def test_every_column_of_ciphertext_is_known_and_tried_here(stored):
    """A new column of bytes is ciphertext and called so, or stands here with what it is."""
    no_secrets = {
        "known_browser.token_hash": "SHA-256 of a random token", "order.digest": "hash of a payload", "order.raw": "what a shop sent",
        "stock_file_part.content": "a CSV", "user_code.code_hash": "SHA-256 of a random code", "user_session.token_hash": "the same",
        "order.email_digest": "keyed digest of an address", "order_line.options_digest": "hash of what was chosen",
        "shop.changes_seen": "ids and times of changes", "flow.newest": "digests of the newest changes",
        "flow.page_digest": "digest of a page of changes", "api_token.token_hash": "SHA-256 of a random token",
        "api_token.previous_hash": "the same", "idempotency_key.request_digest": "hash of a request",
        "idempotency_key.answer": "an answer of the API, without secrets", "seller.logo": "a picture",
        "shipment_file.content": "a file of tracking numbers, until its columns are known",
        "export_delivery_part.content": "a file of orders, until it is delivered",
    }  # fmt: skip
    bytes_in = {
        f"{table.name}.{column.name}"
        for table in db.metadata.sorted_tables for column in table.columns if isinstance(column.type, LargeBinary)
    }  # fmt: skip
    known = {f"{table.name}.{column.name}": (table, column) for table, column in keyring.encrypted_columns()}
    assert bytes_in == {*known, *no_secrets}
    for name, (table, column) in known.items():
        assert db.session.scalar(select(table.c.id).where(column.is_not(None)).limit(1)) is not None, f"no row has a {name}"


def test_a_rotation_encrypts_everything_with_a_new_key_and_keeps_the_old_one(stored, file):
    old, before = keys(file), encrypted()
    assert keyring.rotate() == stored
    assert keys(file)[1:] == old
    newest = Fernet(keys(file)[0])
    for was, now in zip(before, encrypted(), strict=True):
        assert newest.decrypt(now) == Fernet(old[0]).decrypt(was)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert keyring.check_all() == stored


def test_what_runs_meanwhile_reads_and_encrypts_with_the_new_key_without_a_restart(stored, file, app, config):
    running = create_app(config)
    keyring.rotate()
    with running.app_context():
        assert vault.decrypt(first_key()) == "api key 0"
        assert Fernet(keys(file)[0]).decrypt(vault.encrypt("new")) == b"new"
        db.session.remove()
        db.engine.dispose()


def test_old_keys_are_taken_out_once_nothing_needs_them(stored, file, app, config):
    keyring.rotate()
    keyring.rotate()
    newest = keys(file)[0]
    assert keyring.retire() == 2
    assert keys(file) == [newest]
    assert keyring.check_all() == stored


def test_a_removed_integrations_empty_key_is_passed_over(stored):
    with writing() as session:
        session.query(Integration).filter_by(name="Shop 0").one().key_encrypted = b""
    assert keyring.rotate() == stored - 1


@pytest.mark.parametrize("act", [keyring.rotate, keyring.check_all, keyring.encrypt_again, keyring.retire])
def test_with_a_wrong_keyring_nothing_is_changed(stored, file, act):
    before = encrypted()
    wrong = Fernet.generate_key().decode()
    file.write_text(wrong, encoding="utf-8")
    with pytest.raises(ConfigError, match="does not belong to this database"):
        act()
    assert encrypted() == before
    assert keys(file) == [wrong]


@pytest.mark.one_database
def test_a_wrong_keyring_is_refused_at_the_start(stored, config):
    wrong = replace(config, secret_keys_file="", secret_keys=(Fernet.generate_key().decode(),))
    with pytest.raises(ConfigError, match="does not belong to this database"):
        create_app(wrong)
    both = replace(wrong, secret_keys=(*wrong.secret_keys, *config.secret_keys))
    create_app(both)


def test_keys_of_the_environment_are_not_renewed_but_used(stored, app, config):
    first = Fernet.generate_key().decode()
    other = create_app(replace(config, secret_keys_file="", secret_keys=(first, *config.secret_keys)))
    with other.app_context():
        assert keyring.rotate() == stored
        with pytest.raises(ConfigError, match="The keys are in the environment"):
            keyring.retire()
        db.session.remove()
        db.engine.dispose()
    assert all(Fernet(first).decrypt(one) for one in encrypted())


def test_a_keyring_file_that_is_half_written_or_gone_leaves_the_ring_as_it_was(stored, file):
    file.write_text("half a key", encoding="utf-8")
    assert vault.decrypt(first_key()) == "api key 0"
    file.unlink()
    assert vault.decrypt(first_key()) == "api key 0"
