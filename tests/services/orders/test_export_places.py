"""Where exports are delivered over SFTP and https: host keys, ways to sign in, and secrets that stay with their server."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from errors import Conflict, InvalidInput
from extensions import writing
from models import AuditEntry, ExportTarget
from services.orders import export_deliveries, export_records, export_targets
from services.orders.export_deliveries import work
from tests.services.orders.delivered import numbers_in, order, target
from tests.support.exports import deliver_over_sftp, deliver_to, make_export
from tests.support.remote_files import web_server
from tests.support.remote_sftp import sftp_server
from tests.support.rows import make_integration

MAIL = {"smtp_host": "127.0.0.1", "smtp_from": "Cartlink <cartlink@shop.example>", "smtp_security": "NONE"}
pytestmark = [pytest.mark.config(**MAIL, allow_private_endpoints=("all",))]
one_database = pytest.mark.one_database


@pytest.fixture
def shop(app):
    return make_integration("Outlet")


def test_over_sftp_a_host_key_is_confirmed_first_and_a_file_is_there_once(clock, shop, tmp_path, monkeypatch):
    order(shop, "1")
    export_id = make_export()
    (tmp_path / "in").mkdir()
    with sftp_server(tmp_path) as server:
        deliver_over_sftp(export_id, server, "/in")
        assert work(export_id) == [] and target(export_id).error_code == "host_key_unknown"
        offered = export_targets.offered_key(target(export_id))
        with pytest.raises(Conflict):
            export_targets.confirm_key(export_id, "SHA256:other", "user:ann")
        export_targets.confirm_key(export_id, offered.fingerprint, "user:ann")
        with monkeypatch.context() as patched:
            patched.setattr(export_deliveries, "_note_delivered", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                work(export_id)
        clock.go(minutes=5)
        (delivery_id,) = work(export_id)
    (file,) = (tmp_path / "in").iterdir()
    assert file.name == export_records.get_delivery(delivery_id).file_name and numbers_in(file.read_bytes()) == ["1"]
    assert export_records.get_delivery(delivery_id).place == f"127.0.0.1:{server.port}, folder /in"


@pytest.mark.parametrize(
    "sign_in",
    [
        (),
        ("basic", "ann", "ganz geheim 1"),
        ("bearer", "a-token-1234"),
        ("header", "X-Key", "the-key-1234"),
        ("query", "key", "the-key-1234"),
    ],
)
@one_database
def test_over_https_with_each_way_to_sign_in(clock, shop, sign_in):
    order(shop, "1")
    export_id = make_export()
    with web_server() as web:
        web.sign_in = sign_in
        kind, *rest = sign_in or ("none",)
        values = (
            {"basic": {"user": rest[0]}, "header": {"parameter": rest[0]}, "query": {"parameter": rest[0]}}.get(kind, {})
            if rest
            else {}
        )
        deliver_to(export_id, method="https", address=web.url("/in/"), auth=kind, secret=rest[-1] if rest else "", **values)
        (delivery_id,) = work(export_id)
        row = export_records.get_delivery(delivery_id)
        ((path, content),) = web.put.items()
    assert path == f"/in/{row.file_name}" and numbers_in(content) == ["1"]
    assert row.place == web.url("/in/") and (target(export_id).secret_last4 == (rest[-1][-4:] if rest else ""))


@one_database
def test_a_secret_stays_with_its_server_and_what_cannot_be_is_refused_at_its_field(app, shop):
    export_id = make_export()
    deliver_to(export_id, method="https", address="https://partner.example/in/", auth="bearer", secret="token-1234")
    export_targets.set_target(export_id, {"address": "https://partner.example/other/"}, "user:ann")
    assert export_targets.place_of(target(export_id)).secret == "token-1234"
    for values, field in (
        ({"address": "https://evil.example/in/"}, "secret"), ({"address": "ftp://x"}, "address"), ({"method": "fax"}, "method"),
        ({"method": "email", "recipients": []}, "recipients"), ({"method": "email", "recipients": ["nobody"]}, "recipients"),
        ({"method": "email", "recipients": [f"a{n}@b.example" for n in range(11)]}, "recipients"), ({"interval_seconds": 5}, "interval_seconds"),
        ({"interval_seconds": None, "times": ["25:00"]}, "times"), ({"times": ["12:00"]}, "times"), ({"zone": "Mars"}, "zone"),
        ({"quiet_from": "22:00"}, "quiet_until"), ({"surprise": 1}, "surprise"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput) as refused:
            export_targets.set_target(export_id, values, "user:ann")
        assert refused.value.field == field, values
    export_targets.set_target(export_id, {"method": "email", "recipients": ["ann@partner.example"]}, "user:ann")
    assert target(export_id).secret_encrypted is None, "a secret that nothing needs is not kept"


@one_database
def test_the_first_set_up_is_recorded_as_one_and_later_ones_as_changes(db, shop):
    export_id = make_export()
    deliver_to(export_id, method="https", address="https://partner.example/in/", auth="bearer", secret="token-1234")
    export_targets.set_target(export_id, {"enabled": False}, "user:ann")
    export_targets.remove_target(export_id, "user:ann")
    entries = list(db.session.scalars(select(AuditEntry).where(AuditEntry.kind.contains("delivery")).order_by(AuditEntry.id)))
    assert [entry.kind.partition(".")[2] for entry in entries] == ["delivery_set_up", "delivery_changed", "delivery_removed"]
    first = {name: (before, after) for name, before, after in entries[0].changes}
    assert all(before is None for before, _ in first.values())
    assert (
        first["method"] == (None, "https") and first["address"] == (None, "https://partner.example/in/") and "path" not in first
    )
    assert first["secret"] == (None, "changed") and entries[1].changes == [["enabled", True, False]]


@one_database
def test_a_folder_that_was_stored_before_paths_going_up_were_refused_keeps_working(shop):
    export_id = make_export()
    deliver_to(export_id, method="sftp", address="sftp.partner.example", path="/in", auth="password", user="ann", secret="geheim")
    with writing() as session:
        session.query(ExportTarget).update({"path": "../in"})
    export_targets.set_target(export_id, {"enabled": False}, "user:ann")
    assert not target(export_id).enabled and target(export_id).path == "../in"
    with pytest.raises(InvalidInput, match="goes up"):
        export_targets.set_target(export_id, {"path": "../out"}, "user:ann")
