"""Deliveries of saved exports on pages: set up, sent, recorded, and sent again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from blueprints.feeds.forms import FileForm
from blueprints.orders.export_forms import TargetForm
from channels.remote_files import places
from extensions import db, writing
from models import ExportDelivery, ExportTarget, Integration
from models.types import utcnow
from services.orders import export_deliveries, export_records, export_targets
from tests.blueprints.pages import element, elements, form_data, toasts, words
from tests.support.exports import deliver_over_sftp, deliver_to, make_export
from tests.support.receivers import Mailbox, smtp_server
from tests.support.remote_sftp import sftp_server
from tests.support.rows import make_integration, make_order
from tests.support.signed_in import sign_in

MAIL = {"smtp_host": "127.0.0.1", "smtp_from": "Cartlink <cartlink@shop.example>", "smtp_security": "NONE"}
pytestmark = pytest.mark.config(**MAIL, allow_private_endpoints=("all",))
PAGE = "/orders/export"


@pytest.fixture
def export_id(app) -> int:
    make_order(make_integration("Outlet"), "1001", [("CUP", 1)], email="ann@buyer.example")
    return make_export()


@pytest.fixture
def mailbox(app):
    box = Mailbox()
    with smtp_server(box) as port:
        object.__setattr__(app.config["CARTLINK"], "smtp_port", port)
        yield box


def main_words(answer) -> str:
    return words(element(answer.text, "main").text)


def test_an_export_is_set_up_sent_and_recorded_without_javascript(client, export_id, mailbox):
    assert "downloaded by hand" in main_words(client.get(f"{PAGE}/{export_id}/deliveries"))
    form = client.get(f"{PAGE}/{export_id}/delivery").text
    sent = form_data(
        form,
        "recipients",
        recipients="ann@partner.example; ben@partner.example",
        times="6.30 18:00",
        zone="Europe/Vienna",
        placed_since="2026-10-01",
    )
    answer = client.post(f"{PAGE}/{export_id}/delivery", data=sent)
    assert answer.status_code == 303, words(answer.text)
    page = client.get(answer.location)
    assert "ann@partner.example, ben@partner.example" in main_words(page) and "at 06:30 and 18:00 (Europe/Vienna)" in main_words(
        page
    )
    assert client.post(f"{PAGE}/{export_id}/send").status_code == 303
    (delivery_id,) = export_deliveries.work(export_id)
    assert len(mailbox.mails) == 2
    page = client.get(f"{PAGE}/{export_id}/deliveries")
    assert "1 order · ann@partner.example, ben@partner.example · by owner" in main_words(page) and "Delivered" in page.text
    asks = next(each for each in elements(page.text, "details") if "Stop delivery" in each.text)
    assert "Nothing more is sent" in asks.text
    page = client.get(f"{PAGE}/deliveries/{delivery_id}")
    shop = db.session.scalar(select(Integration.name))
    assert f"1001 {shop}" in main_words(page), "two shops may have the same number"
    assert "1001" in client.get(f"{PAGE}/deliveries/{delivery_id}/download").text
    order_page = client.get(link_of(page.text, "1001")).text
    assert "In export Warehouse" in order_page
    assert client.post(f"{PAGE}/deliveries/{delivery_id}/again").status_code == 303
    assert len(export_deliveries.work(export_id)) == 1 and len(mailbox.mails) == 4
    assert "delivered" in main_words(client.get(PAGE)), "the list of saved exports says when"


def link_of(html: str, text: str) -> str:
    return next(each["href"] for each in elements(html, "a") if words(each.text) == text)


WRONG = [
    ({"recipients": ""}, "Enter the email address that gets the file."), ({"recipients": "nobody"}, "'nobody' is not an email address."),
    ({"recipients": "a@b.example\nBcc: x@y.example"}, "is not an email address"), ({"times": "26:00"}, "'26:00' is not a time of day."),
    ({"times": ""}, "Enter at least one time of day."), ({"zone": "Mars/Base"}, "choice is not offered"), ({"quiet_from": "22:00"}, "Quiet hours need a beginning and an end."),
    ({"quiet_from": "05:00", "quiet_until": "07:00"}, "06:00 is inside the quiet hours."), ({"method": "fax"}, "That choice is not offered."),
    ({"method": "sftp"}, "That is not an address of an SFTP server."), ({"method": "https", "https_address": "ftp://x"}, "not an address"),
    ({"method": "https", "https_address": "https://partner.example/", "https_auth": "basic"}, "Enter the user name."),
    ({"method": "https", "https_address": "https://p.example/", "https_auth": "header", "https_parameter": "Host", "https_secret": "gone"}, "Enter the name of the header"),
    ({"method": "sftp", "sftp_address": "sftp.p.example", "sftp_auth": "key", "sftp_user": "ann", "sftp_secret": "ssh-ed25519 gone"}, "This is a public key."),
    ({"placed_since": f"{utcnow().date() + timedelta(days=2)}"}, "That day is in the future: no order would be sent before it. Choose today"),
    ({"method": "sftp", "sftp_address": "sftp.p.example", "sftp_path": "../etc", "sftp_user": "ann", "sftp_secret": "gone"}, "Write the folder out from the top"),
    ({"method": "https", "https_address": "https://p.example/in/%2e%2e/etc/"}, "The path goes up with ‘..’."),
    ({"placed_since": "soon"}, "That is not a date. Enter it like"), ({"plan": "interval", "interval_seconds": "7"}, "That choice is not offered."),
]  # fmt: skip


def test_wrong_input_is_named_at_its_field_and_kept(client, export_id):
    good = form_data(client.get(f"{PAGE}/{export_id}/delivery").text, "recipients", recipients="ann@partner.example")
    for changes, said in WRONG:
        answer = client.post(f"{PAGE}/{export_id}/delivery", data={**good, **changes})
        assert answer.status_code == 422 and said in main_words(answer), changes
        assert "gone" not in answer.text, "a secret is not shown again"
        for name in ("recipients", "times", "https_address", "sftp_address", "quiet_from"):
            assert changes.get(name, "") in answer.text.replace("\r", "")
    assert export_targets.find_target(export_id) is None


def test_a_server_whose_name_is_not_found_is_saved_and_said_at_once(client, export_id):
    form = client.get(f"{PAGE}/{export_id}/delivery").text
    data = form_data(form, "recipients", method="https", https_address="https://sftp.partner.invalid/in/")
    answer = client.post(f"{PAGE}/{export_id}/delivery", data=data)
    said = toasts(client.get(answer.location).text)
    assert said == [
        "The host sftp.partner.invalid was not found. Check how it is written. If it is right, you need not do anything: Cartlink tries again.",
        "Saved.",
    ]
    assert export_targets.get_target(export_id).address == "https://sftp.partner.invalid/in/"


def test_a_secret_is_never_shown_and_stays_when_it_is_left_empty(client, export_id):
    form = client.get(f"{PAGE}/{export_id}/delivery").text
    sent = form_data(
        form,
        "https_address",
        method="https",
        https_address="https://partner.example/in/",
        https_auth="bearer",
        https_secret="token-geheim",
    )
    assert client.post(f"{PAGE}/{export_id}/delivery", data=sent).status_code == 303
    form = client.get(f"{PAGE}/{export_id}/delivery").text
    assert "token-geheim" not in form and "ends with heim" in form
    assert client.post(f"{PAGE}/{export_id}/delivery", data=form_data(form, "https_address")).status_code == 303
    db.session.rollback()
    assert export_targets.place_of(export_targets.get_target(export_id)).secret == "token-geheim"
    answer = client.post(
        f"{PAGE}/{export_id}/delivery", data=form_data(form, "https_address", https_address="https://evil.example/in/")
    )
    assert answer.status_code == 422 and "Enter the password, key or token." in main_words(answer)


def test_a_host_key_is_shown_on_the_page_and_on_today_and_confirmed_once(client, export_id, tmp_path):
    with sftp_server(tmp_path) as server:
        deliver_over_sftp(export_id, server, "/")
        export_deliveries.work(export_id)
        page = client.get(f"{PAGE}/{export_id}/deliveries")
        shown = element(page.text, "input", name="fingerprint")["value"]
        assert shown.startswith("SHA256:") and "Confirm the server" in main_words(page)
        assert "Warehouse" in main_words(client.get("/today"))
        assert client.post(f"{PAGE}/{export_id}/confirm-key", data={"fingerprint": "SHA256:other"}).status_code == 409
        assert client.post(f"{PAGE}/{export_id}/confirm-key", data={"fingerprint": shown}).status_code == 303
        assert len(export_deliveries.work(export_id)) == 1
    assert "No export needs attention." in main_words(client.get("/today"))


def test_who_may_do_what_and_see_whom(app, client, export_id, mailbox):
    deliver_to(export_id)
    (delivery_id,) = export_deliveries.work(export_id)
    viewer, manager = app.test_client(), app.test_client()
    sign_in(viewer, "viewer", "viewer")
    sign_in(manager, "manager", "manager")
    content = viewer.get(f"{PAGE}/deliveries/{delivery_id}/download").text
    assert "1001" in content and "ann@buyer.example" not in content, "without what is about customers"
    assert viewer.post(f"{PAGE}/{export_id}/send").status_code == 403
    assert manager.get(f"{PAGE}/{export_id}/delivery").status_code == 403, "only owners decide where customers' data goes"
    assert manager.post(f"{PAGE}/{export_id}/send").status_code == 303
    assert "An owner can set that up." not in main_words(viewer.get(f"{PAGE}/{export_id}/deliveries"))


def test_a_file_that_fails_is_shown_with_advice_and_dropped(client, export_id, mailbox):
    deliver_to(export_id)
    mailbox.refuse["ann@partner.example"] = "550 No such mailbox"
    export_deliveries.work(export_id)
    page = client.get(f"{PAGE}/{export_id}/deliveries")
    assert "550 No such mailbox" in main_words(page) and "No order is lost." in main_words(page)
    delivery_id = db.session.query(ExportDelivery).one().id
    page = client.get(f"{PAGE}/deliveries/{delivery_id}")
    assert "Drop … It is not sent. Its orders are in the next one. Drop" in main_words(page)
    assert client.post(f"{PAGE}/deliveries/{delivery_id}/drop").status_code == 303
    assert client.post(f"{PAGE}/deliveries/{delivery_id}/drop").status_code == 409
    assert client.post(f"{PAGE}/{export_id}/delivery/remove").status_code == 303
    assert "downloaded by hand" in main_words(client.get(f"{PAGE}/{export_id}/deliveries"))
    assert client.post(f"{PAGE}/{export_id}/send").status_code == 409
    assert client.get(f"{PAGE}/999/deliveries").status_code == client.get(f"{PAGE}/deliveries/999").status_code == 404


def test_a_file_that_repeats_another_is_dropped_and_says_where_its_orders_were(client, export_id, mailbox):
    deliver_to(export_id)
    (first,) = export_deliveries.work(export_id)
    again = export_records.send_again(first, "user:ann")
    assert "Its orders were in an earlier file, which can be sent again." in main_words(client.get(f"{PAGE}/deliveries/{again}"))
    answer = client.post(f"{PAGE}/deliveries/{again}/drop")
    assert toasts(client.get(answer.location).text) == [
        "The file is dropped. Its orders were in an earlier file, which can be sent again."
    ]
    assert export_deliveries.work(export_id) == []


def test_what_would_replace_an_open_question_waits(page: Page, export_id, mailbox):
    deliver_to(export_id)
    (first,) = export_deliveries.work(export_id)
    again = export_records.send_again(first, "user:ann")
    page.goto(f"{PAGE}/deliveries/{again}")
    page.locator("summary", has_text="Drop").click()
    page.wait_for_timeout(2500)
    page.get_by_role("button", name="Drop", exact=True).click()
    expect(page.locator("#toasts")).to_contain_text("The file is dropped.")


def test_without_javascript_a_page_with_a_question_is_not_loaded_again_under_the_readers_hands(client, export_id, mailbox):
    deliver_to(export_id)
    (first,) = export_deliveries.work(export_id)
    waiting = export_records.send_again(first, "user:ann")
    for address in (f"{PAGE}/deliveries/{waiting}", f"{PAGE}/{export_id}/deliveries"):
        page = client.get(address).text
        assert 'http-equiv="refresh"' not in page and "Load the page again to see what has changed." in words(
            element(page, "main").text
        )
    done = client.get(f"{PAGE}/deliveries/{first}").text
    assert "Load the page again" not in done


def test_what_becomes_of_a_file_is_shown_without_a_reload(page: Page, export_id, mailbox):
    deliver_to(export_id)
    page.goto(f"{PAGE}/{export_id}/deliveries")
    page.get_by_role("button", name="Send now").click()
    expect(page.locator("#toasts")).to_contain_text("The result appears below.")
    page.locator("summary", has_text="Stop delivery").click()
    export_deliveries.work(export_id)
    expect(page.locator("#files")).to_contain_text("Delivered")
    expect(page.locator("#delivery-facts")).to_contain_text("just now", timeout=8000)
    expect(page.get_by_role("button", name="Stop delivery")).to_be_visible()


def test_only_what_a_way_to_sign_in_needs_is_asked(page: Page, export_id):
    page.goto(f"{PAGE}/{export_id}/delivery")
    page.get_by_label("Upload to a web address (https)").check()
    shown = {
        "none": set(),
        "basic": {"user", "secret"},
        "bearer": {"secret"},
        "header": {"parameter", "secret"},
        "query": {"parameter", "secret"},
    }
    for auth, fields in shown.items():
        page.locator("#https_auth").select_option(auth)
        assert {name for name in ("user", "parameter", "secret") if page.locator(f"#https_{name}").is_visible()} == fields, auth


def test_an_export_is_removed_after_a_question_and_not_while_it_is_delivered(client, export_id):
    def offered() -> str:
        return words(
            next(each.text for each in elements(client.get(PAGE).text, "details") if "Remove Warehouse" in words(each.text))
        )

    assert "Nobody can download it" in offered()
    deliver_to(export_id)
    assert "It is delivered to ann@partner.example. Stop its delivery first." in offered()
    answer = client.post(f"{PAGE}/{export_id}/remove")
    assert answer.status_code == 409 and "Stop its delivery first." in main_words(answer)
    assert client.post(f"{PAGE}/{export_id}/delivery/remove").status_code == 303
    assert client.post(f"{PAGE}/{export_id}/remove").status_code == 303
    assert "Warehouse" not in main_words(client.get(PAGE))


def test_the_record_has_pages(client, export_id):
    deliver_to(export_id)
    with writing() as session:
        for number in range(export_records.PAGE_SIZE + 3):
            session.add(ExportDelivery(export_id=export_id, name="Warehouse", by="order", format="csv", columns=["number"], key=str(number),
                                       file_name=f"file-{number}.csv", state="done", finished_at=utcnow()))  # fmt: skip
        session.query(ExportTarget).one().due_at = None
    page = client.get(f"{PAGE}/{export_id}/deliveries")
    following = client.get(next(each["href"] for each in elements(page.text, "a", rel="next")))
    assert "file-2.csv" in following.text and "file-2.csv" not in page.text


def test_exports_and_feeds_sign_in_by_the_same_names(app):
    with app.test_request_context():
        export, feed = TargetForm(), FileForm()
        assert choices_of(export.https_auth) == choices_of(feed.auth) == choices_of(feed.auth, places.AUTHS["https"])
        assert choices_of(export.sftp_auth) == choices_of(feed.sftp_auth) == choices_of(feed.sftp_auth, places.AUTHS["sftp"])


def choices_of(field, names=None):
    labels = {choice.value: choice.label for choice in field.choices}
    return labels if names is None else {name: labels[name] for name in names}


@pytest.mark.config(smtp_host="")
def test_without_a_mail_server_the_form_says_that_no_email_can_be_sent(client, export_id):
    assert "no mail server is set up" in main_words(client.get(f"{PAGE}/{export_id}/delivery"))


def test_with_a_mail_server_the_form_has_no_such_note(client, export_id):
    assert "no mail server" not in main_words(client.get(f"{PAGE}/{export_id}/delivery"))


def test_today_claims_nothing_about_an_export_that_has_just_failed(client, export_id):
    deliver_to(export_id)
    with writing() as session:
        session.query(ExportTarget).one().failing_since = utcnow()
    assert "Exports No export needs attention." in main_words(client.get("/today"))
