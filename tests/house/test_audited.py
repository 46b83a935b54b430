"""Every act that changes something writes an entry into the audit trail. Every test with a client or a command watches for that
(tests/support/audited.py); here each act of the pages, and each command, is done at least once or exempt with a reason."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import click
from flask import Flask
from sqlalchemy import func, select, update

from cli import GROUPS
from extensions import db, writing
from models import Integration, Order, OrderLine, Shipment, StockFile, StockItem, SyncRun, User, UserSession, WriteBack
from models.types import utcnow
from services.accounts import passwords, tokens
from services.orders import held
from services.security import trail, vault
from services.security.audit import KINDS
from services.security.trail import Wanted
from tests.blueprints.rows import add_integration
from tests.cli.conftest import Commands
from tests.support.audited import EXEMPT
from tests.support.planted import plant
from tests.support.processes import ROOT
from tests.support.rows import make_order
from tests.support.signed_in import FreshClient, sign_in, user_called
from tests.support.urls import example_values, page_rules

PRESET = (
    b'{"format": "cartlink-file-preset-1", "kind": "stock", "name": "ACME", "headings": ["a", "b"],'
    b' "columns": {"sku": "a", "quantity": "b"}, "options": {}}'
)
PASSWORD = "a long enough password"
ELSEWHERE = {
    "shipping.count_shipped": "tests/blueprints/test_unclear_lines.py",
    "accounts.first_run": "tests/blueprints/test_sign_in.py", "accounts.sign_in": "tests/blueprints/test_sign_in.py",
    "accounts.set_password": "tests/blueprints/test_sign_in.py", "account.change_two_step": "tests/blueprints/test_sign_in.py",
    "removal.release_stock": "tests/blueprints/test_removal.py", "held.read_listings": "tests/blueprints/test_held_page.py",
    "onboarding.ask_options": "tests/blueprints/test_wizard_end.py", "losses.approve": "tests/blueprints/test_losses.py",
    "listings.settle_rename": "tests/services/listings/test_renames.py", "listings.link_matched": "tests/blueprints/test_acts.py",
    "lookup.fetch_older": "tests/blueprints/test_acts.py", "order.replace": "tests/services/orders/test_ids_used_again.py",
    "order.keep": "tests/services/orders/test_ids_used_again.py", "run.undo_run": "tests/blueprints/test_acts.py",
    "stock_preview.approve": "tests/blueprints/test_acts.py", "shipment_files.undo_file": "tests/services/shipping/test_undo.py",
    "shipment_files.assign_columns": "tests/blueprints/test_file_columns.py", "stock_files.assign_columns": "tests/blueprints/test_file_columns.py",
    "stock_files.undo_file": "tests/blueprints/test_acts.py",
    "event_endpoints.resume_endpoint": "tests/blueprints/test_event_endpoints.py",
    "incidents.approve_deletions": "tests/services/orders/test_deletions.py",
    "incidents.mark_set_back_seen": "tests/services/orders/test_ids_used_again.py",
    "held.evaluate": "tests/blueprints/test_acts.py", "order.evaluate": "tests/blueprints/test_acts.py",
    "notes.add_note": "tests/blueprints/test_notes_and_tags.py", "notes.remove_note": "tests/blueprints/test_notes_and_tags.py",
    "notes.change_tags": "tests/blueprints/test_notes_and_tags.py", "tagging.tag_orders": "tests/blueprints/test_notes_and_tags.py",
    "exports.save_export": "tests/blueprints/test_exports.py", "exports.press_enter": "tests/blueprints/test_enter.py",
    "exports.remove_export": "tests/blueprints/test_exports.py",
    "export_deliveries.confirm_key": "tests/blueprints/test_export_deliveries.py",
    "integration_settings.edit_settings": "tests/blueprints/test_settings.py",
    "feed_setup.ask_rules": "tests/blueprints/test_feed_setup.py",
    **dict.fromkeys(
        (
            "suppliers.add_supplier", "suppliers.edit_supplier", "suppliers.remove_supplier", "feeds.set_enabled", "feeds.fetch_now", "feeds.edit_rules",
            "feeds.remove_feed", "feed_run.approve", "feed_run.drop", "feed_run.undo", "unknown_codes.act_on_selected", "unknown_codes.link_code",
            "feed_items.switch", "feed_items.set_rule",
        ),
        "tests/blueprints/test_feeds.py",
    ),
}  # fmt: skip
"""Acts that need a shop, a code or a state of their own, with the tests that do them."""


@dataclass(frozen=True)
class Act:
    endpoint: str
    form: dict[str, Any]
    values: dict[str, Any] | None = None


def acts(ids: dict[str, int], token: str) -> list[Act]:
    """What a person can do on pages, in an order in which each is possible."""
    order = {name: {"order_id": ids[name]} for name in ("1001", "1002", "1003", "1004", "1005")}
    return [
        Act("run.retry", {}, {"run_id": ids["finished run"]}),
        Act("account.set_zone", {"zone": "Europe/Berlin"}),
        Act("preferences.change_preferences", {"email": "ann@shop.example"}),
        Act("users.create_user", {"name": "New", "role": "viewer", "sees_customers": "no"}),
        Act("users.edit_user", {"role": "viewer", "sees_customers": "no"}),
        Act("users.issue_link", {}), Act("users.sign_out_user", {}), Act("users.disable_user", {}), Act("users.enable_user", {}),
        Act("tokens.create_token", {"name": "WMS", "days": "30", "scopes": ["orders:read"], "addresses": ""}),
        Act("tokens.rotate_token", {}, {"token_id": token}), Act("tokens.revoke_token", {}, {"token_id": token}),
        Act("privacy.show_privacy", {"keep": "days", "days": "30"}),
        Act("event_endpoints.create_endpoint", {"name": "WMS", "url": "https://example.com/wms", "types": ["order.created"]}),
        Act("event_endpoints.show_endpoint", {"name": "Other name", "url": "", "enabled": "yes"}),
        Act("event_endpoints.rotate_secret", {}), Act("event_endpoints.send_test", {"type": "order.created"}),
        Act("event_endpoints.replay_events", {"first": "1", "last": "5"}), Act("event_endpoints.retry_delivery", {}),
        Act("event_endpoints.remove_endpoint", {}),
        Act("export_deliveries.edit_target", {"method": "email", "recipients": "ben@partner.example", "plan": "none", "zone": "UTC", "interval_seconds": "3600",
                                              "enabled": "yes", "only_new": "yes", "send_empty": "no", "sftp_auth": "password", "https_auth": "none"}),
        Act("export_deliveries.send_now", {}), Act("export_deliveries.send_again", {}),
        Act("export_deliveries.drop_delivery", {}, {"delivery_id": ids["waiting export"]}), Act("export_deliveries.remove_target", {}),
        Act("integrations.set_enabled", {"enabled": "no"}), Act("integrations.set_enabled", {"enabled": "yes"}),
        Act("integration.set_flow", {"orders": "no"}), Act("integration.sync_now", {"kind": "listings"}),
        Act("incidents.mute", {}), Act("drift.settle", {"whose": "ours"}),
        Act("runs.request_stop", {}), Act("reports.reconcile", {"integration": ids["integration"]}),
        Act("listings.act_on_selected", {"listing": ids["listing"], "act": "do_not_push"}),
        Act("listings.link_listing", {"sku": ["SKU"], "units": ["2"]}),
        Act("listings.add_stock_item", {"sku": "FOR A LISTING", "on_hand": "3"}),
        Act("stock.add_stock_item", {"sku": "ADDED", "on_hand": "3"}),
        Act("stock.change_item", {"on_hand": "12", "buffer": "1", "was": "10"}),
        Act("stock.set_threshold", {"threshold": "3"}), Act("stock.set_default_threshold", {"threshold": "2"}),
        Act("stock_files.upload", {"content": b"sku,quantity\nSKU,9\n"}), Act("stock_files.accept", {"add_unknown": "no"}),
        Act("stock_files.drop", {}, {"file_id": ids["other stock file"]}),
        Act("shipment_files.upload", {"content": b"order,tracking\n1002,T\n"}), Act("shipment_files.accept", {}),
        Act("held.read_again", {"code": "unknown_sku", "key": "UNKNOWN"}),
        Act("held.accept", {"code": "sums", "key": "", "seen": held.Group("sums", "", order_ids=[ids["1003"]]).seen}),
        Act("held.link_sku", {"sku": "LOOSE", "item": "ADDED"}),
        Act("held.add_stock_item", {"sku": "UNKNOWN", "on_hand": "2"}),
        Act("order.read_again", {}, order["1001"]), Act("order.mark_entered", {}, order["1001"]),
        Act("order.mark_seen", {}, order["1004"]), Act("order.send_again", {}, order["1005"]),
        Act("orders.act_on_selected", {"order": ids["1005"], "act": "read_again"}),
        Act("shipment.edit_tracking", {"carrier": "DHL", "tracking": "T9"}), Act("batches.undo_batch", {}),
        Act("shipment.void_shipment", {}, {**order["1001"], "shipment_id": ids["shipment of 1001"]}),
        Act("shipping.ship_order", {"carrier": "DHL", "tracking": "T1", f"line-{ids['line of 1002']}": "1"}, order["1002"]),
        Act("sheet.ship_sheet", {"order": ids["2001"], f"carrier-{ids['2001']}": "DHL", f"tracking-{ids['2001']}": "T2"}),
        Act("shipment.undo_shipment", {}, {**order["1002"], "shipment_id": ids["next shipment"]}),
        Act("shipping.add_parcel", {"carrier": "DHL", "tracking": "T11"}, {"order_id": ids["2001"]}),
        Act("order.cancel", {}, {"order_id": ids["2002"]}),
        Act("privacy.erase_order", {}, order["1004"]),
        Act("account.end_session", {}, {"session_id": ids["session"]}), Act("account.change_password", {"current": PASSWORD, "password": "another long password"}),
        Act("carriers.add_carrier", {"name": "Ours", "aliases": "", "tracking_url": ""}), Act("carriers.edit_carrier", {"name": "Other"}, {"carrier_id": 1}),
        Act("carriers.remove_carrier", {}, {"carrier_id": 1}), Act("seller.change_seller", {"name": "We", "address": "", "footer": ""}),
        Act("file_presets.rename_preset", {"name": "Other"}), Act("file_presets.remove_preset", {}), Act("file_presets.import_preset", {"content": PRESET}),
        Act("removal.remove_integration", {"reserved": "keep"}),
        Act("account.end_all_sessions", {}), Act("accounts.sign_out", {}),
    ]  # fmt: skip


def prepare(values: dict[str, Any], owner_id: int) -> tuple[dict[str, Any], str]:
    """Bring what is stored into states in which all acts are possible; answers with ids by name, and a token's id."""
    integration = db.session.get_one(Integration, values["integration_id"])
    item = db.session.get_one(StockItem, values["item_id"])
    for number in ("2001", "2002"):
        make_order(integration, number, [(item, 1)], state="ready")
    with writing() as session:
        ids = dict(session.execute(select(Order.number, Order.id)).all())
        session.execute(update(User).values(password_hash=passwords.hash_password(PASSWORD)))
        session.execute(
            update(Order)
            .where(Order.id == ids["1003"])
            .values(held_codes=["unknown_sku", "sums"], held_reason="SKU UNKNOWN is not one of our stock items.")
        )
        # Nothing that was tried before stands in the way of shipping.
        session.execute(update(WriteBack).where(WriteBack.order_id != ids["1005"]).values(state="done", sent=True))
        session.execute(update(Shipment).where(Shipment.order_id == ids["1001"]).values(by_hand=True))
        line_id = session.scalar(select(OrderLine.id).where(OrderLine.order_id == ids["1002"]))
        until = utcnow() + timedelta(days=1)
        sessions = [
            UserSession(user_id=who, token_hash=b"x" if who == owner_id else b"y", expires_at=until)
            for who in (owner_id, values["user_id"])
        ]
        file = StockFile(name="other.csv", actor="user:owner", state="checked")
        session.add_all([file, *sessions])
        session.flush()
        ids |= {
            "other stock file": file.id, "waiting export": values["waiting export"], "listing": values["listing_id"],
            "finished run": session.scalar(select(SyncRun.id).where(SyncRun.state == "finished")),
            "shipment of 1001": session.scalar(select(Shipment.id).where(Shipment.order_id == ids["1001"])),
            "session": session.scalar(select(UserSession.id).where(UserSession.token_hash == b"x")),
            "next shipment": 1 + (session.scalar(select(func.max(Shipment.id))) or 0),
            "line of 1002": line_id,
            "integration": values["integration_id"],
        }  # fmt: skip
    return ids, tokens.create_token(owner_id, "ERP", ["orders:read"], "user:owner").id


def test_each_act_on_a_page_is_recorded(app: Flask, client: FreshClient) -> None:
    values = example_values(app)
    ids, token = prepare(values, user_called("owner"))
    adapter, silent, done = app.url_map.bind("localhost"), {}, set()
    for act in acts(ids, token):
        path = path_of(app, act, values)
        if act.endpoint == "accounts.sign_out":
            sign_in(client, "owner")
        content = {name: value for name, value in act.form.items() if name != "content"}
        if "content" in act.form:
            content["file"] = (io.BytesIO(act.form["content"]), "file.csv")
        answer = client.post(path, data=content)
        done.add(adapter.match(path, method="POST")[0])
        if "audit_entry" not in client.changed:
            silent[act.endpoint] = answer.status_code, said(answer)
    assert not silent, "\n".join(f"{endpoint}: {what}" for endpoint, what in silent.items())
    posts = {rule.endpoint for rule in page_rules(app) if "POST" in (rule.methods or ())}
    assert posts - done - EXEMPT.keys() - ELSEWHERE.keys() == set(), "Do these in the walk, or say why they are exempt."
    assert (EXEMPT.keys() | ELSEWHERE.keys()) - posts == set()
    kinds = {entry.kind for batch in trail.iter_entries(trail.Wanted()) for entry in batch}
    assert kinds <= KINDS.keys()


def path_of(app: Flask, act: Act, values: dict[str, Any]) -> str:
    """The first rule of the endpoint that these values fill."""
    for rule in app.url_map.iter_rules(act.endpoint):
        if "POST" in (rule.methods or ()):
            room = act.endpoint.partition(".")[0]
            known = {name: values.get(f"{room}.{name}", values.get(name)) for name in rule.arguments}
            if act.endpoint.startswith("shipment_files."):
                known |= {"file_id": values["shipping.file_id"]} if "file_id" in known else {}
            return app.url_map.bind("localhost").build(act.endpoint, known | (act.values or {}), method="POST")
    raise AssertionError(act.endpoint)


def test_the_tests_named_elsewhere_are_there() -> None:
    assert not [path for path in ELSEWHERE.values() if not (ROOT / path).exists()]


def said(answer: Any) -> str:
    """What a page says about what went wrong."""
    return " ".join(re.findall(r"<h[12][^>]*>([^<]*)</h|class=\"wrong[^>]*>([^<]*)<", answer.text).__str__().split())[:300]


COMMANDS = (
    ("users", "create", "Zoe", "--role", "viewer"), ("users", "reset", "Zoe"), ("users", "disable", "Zoe"), ("users", "enable", "Zoe"),
    ("tokens", "create", "WMS", "--user", "Zoe", "--scope", "orders:read"), ("tokens", "rotate", "WMS"), ("tokens", "revoke", "WMS", "--yes"),
    ("keys", "rotate"), ("privacy", "keep", "30"),
    ("exports", "deliver", "Warehouse"),
    ("integrations", "disable", "Shop"), ("integrations", "enable", "Shop"),
    ("stock", "set", "SKU", "7"), ("stock", "threshold", "2", "--sku", "SKU"),
    ("orders", "ship", "1002", "--carrier", "DHL", "--tracking", "T1"),
    ("orders", "undo-shipment", "1002"), ("orders", "mark-seen", "1004"), ("privacy", "erase", "1004", "--yes"),
    ("carriers", "save", "Bike"), ("carriers", "remove", "Bike", "--yes"),
    ("integrations", "remove", "Shop", "--yes"),
)  # fmt: skip
READING = {
    "suppliers list", "feeds list", "feeds show", "feeds runs", "feeds rows", "feeds offers", "feeds unknown",
    "audit list", "backup create", "doctor", "integrations list", "integrations show", "integrations check", "keys check", "listings list",
    "listings missing", "listings renamed", "orders list", "orders show", "privacy export", "orders export", "retention show", "exports list",
    "exports run", "exports deliveries", "runs list", "runs show",
    "carriers list", "presets list", "presets show", "presets export", "stock files", "stock list", "stock preview", "support bundle", "tokens list", "users list", "version",
}  # fmt: skip
"""Commands that change nothing here."""
RUNNING = {
    **{f"suppliers {name}": "tests/cli/test_feeds.py" for name in ("add", "change", "remove")},
    **{
        f"feeds {name}": "tests/cli/test_feeds.py"
        for name in ("add", "change", "enable", "disable", "remove", "check", "fetch", "approve", "drop", "undo", "link", "create", "ignore")
    },
    "sync": "Does in this process what a worker does; the run shows it.",
    "retention run": "Deletes what the schedule deletes each day.",
    "backup restore": "Replaces the database, and with it the trail.",
    "backup restored": "Changes nothing of a person's: programs that read events begin again.",
    "keys retire": "Only with a keyring in a file: tests/services/security/test_keyring.py.",
    **dict.fromkeys(("integrations add", "integrations release-stock"), "tests/cli/test_integrations.py"), "integrations mark-seen": "tests/services/orders/test_ids_used_again.py",
    "integrations approve-deletions": "tests/services/orders/test_deletions.py", "listings approve": "tests/cli/test_listings.py",
    "listings settle-rename": "tests/cli/test_listings.py", "orders recheck": "tests/cli/test_orders.py",
    "orders void-shipment": "tests/cli/test_orders.py", "orders edit-tracking": "tests/cli/test_orders.py",
    "orders replace": "tests/services/orders/test_ids_used_again.py", "orders send-again": "tests/cli/test_orders.py",
    "orders mark-entered": "tests/cli/test_orders.py",
    "orders note": "tests/blueprints/test_notes_and_tags.py", "orders tag": "tests/blueprints/test_notes_and_tags.py",
    "runs stop": "tests/cli/test_runs.py",
    "runs undo": "tests/cli/test_runs.py", "stock import": "tests/cli/test_stock.py", "stock undo": "tests/cli/test_stock.py", "shipments import": "tests/cli/test_shipments.py",
    "presets import": "tests/cli/test_shipments.py", "presets rename": "tests/cli/test_shipments.py", "presets remove": "tests/cli/test_shipments.py",
    "stock approve": "tests/cli/test_stock.py",
}  # fmt: skip
"""Commands that cannot be done here, with the reason or the tests that do them under watch."""


def test_each_command_is_recorded(app: Flask) -> None:
    prepare(
        {
            **plant(add_integration("Shop", key_encrypted=vault.encrypt("a key"))),
            "integration_id": 1,
            "user_id": user_called("Ann"),
        },
        user_called("owner"),
    )
    commands, silent = Commands(app), []
    for given in COMMANDS:
        done = commands.call(*given)
        if "audit_entry" not in commands.changed:
            silent.append((given, done.output[-200:]))
    assert not silent
    known = {" ".join(each[:2]) for each in COMMANDS} | READING | RUNNING.keys()
    assert {name for name in every_command(app) if not {name, name.split()[0]} & known} == set()
    assert {entry.actor.partition(":")[0] for batch in trail.iter_entries(Wanted(actor=trail.LINES)) for entry in batch} == {
        "cli"
    }


def every_command(app: Flask) -> list[str]:
    """``stock set`` and so on, without those that are only another, earlier name."""
    return [
        f"{group.name} {name}".strip()
        for group in GROUPS
        for name, command in (group.commands.items() if isinstance(group, click.Group) else [("", group)])
        if not command.hidden
    ]
