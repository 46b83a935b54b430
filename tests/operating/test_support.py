"""The support bundle tells enough to help, and holds no secret, no customer and nobody's name."""

from __future__ import annotations

import stat
import time
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from config import VERSION
from extensions import writing
from models import Incident, RunItem, SyncRun
from models.types import utcnow
from services.onboarding import drafts
from services.operations import support_bundle
from services.security import vault
from tests.support.rows import make_integration, make_item, make_order
from tests.support.signed_in import sign_in

KEY, CUSTOMER, MAIL, STREET = "planted-api-key-4711", "Planted Customer", "planted@customer.example", "Planted Street 7"
SMTP, TOKEN = "planted-smtp-password", "planted-metrics-token"


def content(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as bundle:
        return {name: bundle.read(name).decode() for name in bundle.namelist()}


@pytest.mark.both_databases
@pytest.mark.config(smtp_password=SMTP, smtp_host="", metrics_token=TOKEN)
def test_nothing_planted_is_in_it(app, client, commands, tmp_path):
    integration = make_integration("Planted Shop Name", key=KEY, endpoint="https://planted-shop.example")
    make_order(integration, "PLANTED-1", [(make_item("PLANTED-SKU"), 1)], state="on_hold", customer=CUSTOMER, email=MAIL,
               customer_notes=f"ring at {CUSTOMER}", raw=CUSTOMER.encode())  # fmt: skip
    sign_in(client, "planted.person")
    with client.session_transaction() as session:
        token = session["_user_id"]
    drafts.create("add", "xcart", "user:planted.person", {"name": "A new shop", "api_key": "planted-draft-key"})
    now = utcnow()
    with writing() as session:
        run = SyncRun(
            integration_id=integration.id, kind="stock", actor="user:planted.person", state="finished", outcome="failed",
            finished_at=now, error_code="refused", error=f"The shop says: {KEY} is wrong, ask {MAIL}", warnings=[f"of {CUSTOMER}"],
        )  # fmt: skip
        session.add(run)
        session.flush()
        session.add(
            RunItem(run_id=run.id, sku="PLANTED-SKU", external_id="PLANTED-1", result="failed", reason="the shop refused it")
        )
        session.add(
            Incident(
                integration_id=integration.id,
                cause="outage",
                since=now - timedelta(hours=1),
                facts={"host": "planted-shop.example"},
            )
        )
    instance = app.config["CARTLINK"].instance
    instance.mkdir(exist_ok=True)
    (instance / "errors.log").write_text(f"WARNING key {KEY} of {MAIL} at http://u:planted-pass@host/?_key=planted-in-url\n")
    more = tmp_path / "worker.log"
    more.write_text(f"INFO {KEY} {app.config['CARTLINK'].secret_key} the end of a log")
    target = tmp_path / "bundle.zip"
    said = commands.done("support", "bundle", str(target), "--log", str(more))
    assert "Check it before you send it" in said
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    found = content(target)
    whole = "\n".join(found.values())
    planted = [
        KEY, CUSTOMER, MAIL, STREET, SMTP, TOKEN, token, "planted-draft-key", "planted.person", "planted-pass", "planted-in-url", "PLANTED",
        "Planted", "Graz", app.config["CARTLINK"].secret_key, *vault.keyring().keys,
    ]  # fmt: skip
    assert [secret for secret in planted if secret in whole] == []
    assert f"Cartlink {VERSION}" in found["about.txt"]
    assert "sqlalchemy" in found["about.txt"].lower()
    assert "smtp_password = (set)" in found["settings.txt"]
    assert "lease_seconds = 60" in found["settings.txt"]
    assert "No scheduler is running" in found["doctor.txt"]
    assert '"error_code":"refused"' in found["runs.jsonl"]
    assert "The shop says: *** is wrong" in found["runs.jsonl"]
    assert '"reason":"the shop refused it","count":1' in found["rows-that-went-wrong.jsonl"]
    assert "order 1" in found["counts.txt"].splitlines()
    assert "ix_sync_run_finished" in found["schema.txt"]
    assert '"cause":"outage"' in found["incidents.jsonl"]
    assert "the end of a log" in found["log-1.txt"]
    assert '"depth"' in found["queue.json"]
    assert "is there already" in commands.refused("support", "bundle", str(target))
    assert "There is no file" in commands.refused(
        "support", "bundle", str(tmp_path / "other"), "--log", str(tmp_path / "nowhere")
    )


@pytest.mark.both_databases
@pytest.mark.filterwarnings("error::sqlalchemy.exc.SAWarning")
def test_it_has_indexes_of_expressions_and_conditions(app, tmp_path):
    support_bundle.write_bundle(tmp_path / "bundle.zip", {})
    schema = content(tmp_path / "bundle.zip")["schema.txt"]
    lines = {
        name: line for line in schema.splitlines() for name in ("ix_stock_item_available", "ix_stock_item_low") if name in line
    }
    assert "on_hand" in lines["ix_stock_item_available"] and "low_since IS NOT NULL" in lines["ix_stock_item_low"]
    assert "stock_item\n    id INTEGER" in schema


def test_it_is_made_where_the_database_does_not_answer(app, commands, tmp_path):
    path = Path(app.config["CARTLINK"].database_url.removeprefix("sqlite:///"))
    path.write_bytes(b"this is no database" * 100)
    target = tmp_path / "bundle.zip"
    commands.done("support", "bundle", str(target))
    found = content(target)
    assert "does not answer" in found["database.txt"]
    assert "bad" in found["doctor.txt"]


@pytest.mark.parametrize(
    "unit", ["a", "a.", "a@", "@a", "a@b", "a@b.", "a@b-", ".a@", "+", "é", "a@b.c", "Bearer ", "://a:", "\n"]
)
def test_masking_takes_time_in_proportion_to_the_text(unit):
    """A pattern that goes back over what it has read took 9.5 seconds for 40 kB."""
    text = unit * (400_000 // len(unit))
    before = time.process_time()
    support_bundle.masked(text, ())
    assert time.process_time() - before < 3


@pytest.mark.parametrize(
    "mail", ["a@b.cd", "ann.b+c@mail.example.co.uk", "x" * 300 + "@example.com", "é@exämple.com", "a@b-c.example"]
)
def test_mail_addresses_are_masked(mail):
    assert support_bundle.masked(f"<{mail}>, ({mail}): {mail}.", ()) == "<<mail address>>, (<mail address>): <mail address>."
