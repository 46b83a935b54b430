"""Emails: nothing is lost, nothing is sent twice without need, and what arrives is what was meant."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from channels import mailer
from channels.mailer import Mail, MailServer
from errors import DeliveryRefused, InvalidInput, NotDelivered
from extensions import db, writing
from models import Delivery, Incident, Notification, Preference
from services.accounts import tokens, users
from services.monitoring import incidents
from services.notify import incident_texts, notifications, outbox
from services.notify.incident_texts import CAUSES, TOPICS
from tests.support.receivers import Mailbox, make_certificate, smtp_server
from tests.support.rows import make_integration
from tests.support.signed_in import user_called

MAIL = pytest.mark.config(smtp_host="127.0.0.1", smtp_from="Cartlink ☂ <cartlink@shop.example>", smtp_security="NONE", public_url="https://cartlink.example")  # fmt: skip
pytestmark = [pytest.mark.one_database, MAIL]


@pytest.fixture
def mailbox():
    return Mailbox()


@pytest.fixture
def smtp(app, mailbox):
    with smtp_server(mailbox) as port:
        set_port(app, port)
        yield port


def set_port(app, port: int) -> None:
    object.__setattr__(app.config["CARTLINK"], "smtp_port", port)


def with_address(name: str, address: str, choices: dict | None = None) -> int:
    user_id = user_called(name)
    with writing() as session:
        session.add(Preference(user_id=user_id, email=address, choices=choices or {}))
    return user_id


def trouble(name: str = "Shop", cause: str = "key_rejected") -> int:
    """An incident, sent to everyone who chose it; answers with its integration's id."""
    one = make_integration(name).id
    incidents.open_by_hand(one, cause, incidents.utcnow() - timedelta(hours=3), {"message": "The shop rejects the API key."})
    return one


def send_all(clock=None, **length: float) -> list[str]:
    if clock is not None:
        clock.go(**length)
    return [outbox.send(delivery_id) for delivery_id in outbox.due_deliveries()]


def deliveries(**where) -> list[Delivery]:
    db.session.rollback()
    return db.session.query(Delivery).filter_by(**where).order_by(Delivery.id).all()


def test_a_mail_says_what_happened_in_text_and_html_and_names_are_unicode(app, clock, smtp, mailbox):
    with_address("Ann", "ann@shop.example")
    trouble("Töpfe & <b>Pfannen</b> 茶")
    assert send_all(clock, seconds=11) == ["done"]
    (mail,) = mailbox.mails
    assert mailbox.to == [["ann@shop.example"]]
    assert mail["Subject"] == "Cartlink: Töpfe & <b>Pfannen</b> 茶: The shop rejects the API key"
    assert str(mail["From"]) == "Cartlink ☂ <cartlink@shop.example>"
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "Töpfe & <b>Pfannen</b> 茶: The shop rejects the API key." in text and "reauthorise" in text
    assert "Töpfe &amp; &lt;b&gt;Pfannen&lt;/b&gt; 茶" in html and "<b>" not in html
    incident_id = db.session.query(Incident).one().id
    assert (
        f"https://cartlink.example/incidents/{incident_id}" in text
        and f'href="https://cartlink.example/incidents/{incident_id}"' in html
    )
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["References"] == f"<incident-{incident_id}@shop.example>"
    assert send_all(clock, hours=1) == []


def test_a_name_cannot_begin_another_header(app):
    server = MailServer("127.0.0.1", 25, "NONE", "cartlink@shop.example")
    message = mailer.compose(server, Mail("k", "ann@shop.example", "Shop\r\nBcc: eve@evil.example\r\n\r\nboo\u2028x", "t", "h"))
    assert message["Bcc"] is None
    assert "\r\nBcc:" not in message.as_string()
    for address in (
        "ann@shop.example\nBcc: eve@evil.example", "ann@shop.example, eve@evil.example", "Ann <ann@shop.example>", "ann", "ann@", "@x.y",
        "a b@x.example", "ann@shop..example", "ann@shop.example.", ".ann@shop.example",
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            notifications.check_address(address)
    assert notifications.check_address(" ann+shop@büro.example ") == "ann+shop@büro.example"


def test_a_server_that_is_down_loses_nothing(app, clock, mailbox):
    with_address("Ann", "ann@shop.example")
    trouble()
    with smtp_server(mailbox) as port:
        pass
    set_port(app, port)
    clock.go(seconds=11)
    waits = []
    for _ in range(4):
        assert send_all() == ["waiting"]
        (row,) = deliveries()
        waits.append((row.due_at - clock.at).total_seconds())
        assert outbox.due_deliveries() == []
        clock.at = row.due_at
    assert waits == sorted(waits) and waits[-1] > 4 * waits[0]
    assert "cannot be reached" in row.error and row.tries == 4
    with smtp_server(mailbox, port=port):
        assert send_all() == ["done"]
    assert len(mailbox.mails) == 1


def test_a_server_that_is_down_is_not_asked_for_every_mail(app, clock, mailbox):
    for name in ("Ann", "Ben", "Cho"):
        with_address(name, f"{name}@shop.example")
    trouble()
    set_port(app, 9)
    clock.go(seconds=11)
    first, *others = outbox.due_deliveries()
    assert outbox.send(first) == "waiting"
    assert outbox.due_deliveries() == []
    assert [row.tries for row in deliveries()] == [1, 0, 0]
    clock.go(seconds=31)
    assert others[0] in outbox.due_deliveries()


def test_after_days_of_trying_a_mail_is_given_up_and_says_why(app, clock):
    user_id = with_address("Ann", "ann@shop.example")
    trouble()
    set_port(app, 9)
    began = clock.at
    clock.go(seconds=11)
    for _ in range(30):
        due = outbox.due_deliveries()
        if due:
            outbox.send(due[0])
        clock.go(hours=5)
    (row,) = outbox.last_of_user(user_id)
    assert row.state == "failed" and row.tries == outbox.MOST_TRIES and "cannot be reached" in row.error
    assert row.finished_at - began > timedelta(days=2)


def test_a_refused_mailbox_is_given_up_at_once_and_a_full_one_later(app, clock, smtp, mailbox):
    with_address("Ann", "gone@shop.example")
    with_address("Ben", "full@shop.example")
    with_address("Cho", "cho@shop.example")
    mailbox.refuse = {"gone@shop.example": "550 5.1.1 no such\x07 mailbox", "full@shop.example": "452 4.2.2 mailbox full"}
    trouble()
    assert sorted(send_all(clock, seconds=11)) == ["done", "failed", "waiting"]
    assert [mail["To"] for mail in mailbox.mails] == ["cho@shop.example"]
    gone, full, _ = deliveries()
    assert "550" in gone.error and "no such" in gone.error and gone.error.isprintable()
    assert "452" in full.error
    mailbox.refuse.clear()
    assert send_all(clock, minutes=2) == ["done"]


def test_a_worker_that_dies_before_the_server_took_the_mail_loses_nothing(app, clock, smtp, mailbox, monkeypatch):
    with_address("Ann", "ann@shop.example")
    trouble()
    clock.go(seconds=11)

    def die(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(mailer, "send", die)
        with pytest.raises(KeyboardInterrupt):
            outbox.send(outbox.due_deliveries()[0])
    assert deliveries()[0].state == "sending" and outbox.due_deliveries() == []
    assert send_all(clock, minutes=4) == ["done"]
    assert len(mailbox.mails) == 1


def crash_once(monkeypatch) -> None:
    """The worker dies in the moment between the server's answer and the commit."""
    finish, crashed = outbox._finish, []

    def die(*args, **kwargs):
        if not crashed:
            crashed.append(True)
            raise KeyboardInterrupt
        return finish(*args, **kwargs)

    monkeypatch.setattr(outbox, "_finish", die)


def test_a_worker_that_dies_right_after_sends_again_under_the_same_name(app, clock, smtp, mailbox, monkeypatch):
    """SMTP has no way to ask whether a mail was taken: losing it would be worse, and the mailbox can tell that it is the same."""
    with_address("Ann", "ann@shop.example")
    trouble()
    clock.go(seconds=11)
    crash_once(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        outbox.send(outbox.due_deliveries()[0])
    db.session.rollback()
    assert outbox.due_deliveries() == []
    assert send_all(clock, minutes=4) == ["done"]
    assert len(mailbox.mails) == 2
    assert mailbox.mails[0]["Message-ID"] == mailbox.mails[1]["Message-ID"]
    assert send_all(clock, days=1) == []


def test_many_workers_send_a_mail_once(app, clock, smtp, mailbox):
    with_address("Ann", "ann@shop.example")
    trouble()
    clock.go(seconds=11)
    (delivery_id,) = outbox.due_deliveries()
    results, barrier = [], threading.Barrier(5)

    def one() -> None:
        with app.app_context():
            barrier.wait(10)
            results.append(outbox.send(delivery_id))
            db.session.remove()

    threads = [threading.Thread(target=one) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert sorted(results) == ["", "", "", "", "done"] and len(mailbox.mails) == 1


def test_what_happens_together_comes_in_one_mail(app, clock, smtp, mailbox):
    with_address("Ann", "ann@shop.example")
    for number in range(30):
        trouble(f"Shop {number}")
    assert send_all(clock, seconds=11) == ["done"]
    (mail,) = mailbox.mails
    text = mail.get_body(("plain",)).get_content()
    assert "30 messages: 30 need a look" in mail["Subject"]
    assert "Shop 19: The shop rejects" in text and "Shop 20: " not in text and "and 10 more" in text
    # The next one waits until five minutes after.
    trouble("One more")
    assert send_all(clock, seconds=60) == []
    assert send_all(clock, seconds=250) == ["done"]


def test_every_event_of_every_cause_has_a_text(app):
    """Each in whole sentences, none with a hole where a fact should be."""
    facts = {"message": "No answer.", "failures": 60, "count": 2, "gap_hours": 9.0, "usual": 4, "last": "2026-11-23T08:00:00+00:00", "paused": True}  # fmt: skip
    for cause in CAUSES:
        incident = Incident(id=1, cause=cause, since=incidents.utcnow(), resolved_at=incidents.utcnow(), facts=facts)
        for kind in ("opened", "reopened", "reminded", "warned", "paused", "resolved"):
            paragraphs = incident_texts.blocks_of(kind, incident, "Garden shop", 3)
            assert len(paragraphs) >= 2 and all(each.endswith((".", "”")) for each in paragraphs), (cause, kind, paragraphs)
            assert not any(sign in "".join(paragraphs) for sign in "{}"), (cause, kind)
            assert incident_texts.subject(kind, cause, "Garden shop").startswith("Garden shop: ")


def test_each_person_gets_what_they_chose_the_way_they_chose(app, clock, smtp, mailbox):
    nothing = {topic: [] for topic in TOPICS}
    with_address("Mail only", "mail@shop.example", nothing | {"key": ["mail"]})
    bell = with_address("Bell only", "bell@shop.example", nothing | {"key": ["bell"]})
    with_address("Other things", "other@shop.example", nothing | {"silence": ["bell", "mail"]})
    gone = with_address("Disabled", "gone@shop.example")
    user_called("Somebody", "owner")
    users.disable_user(gone)
    trouble()
    send_all(clock, seconds=11)
    assert mailbox.to == [["mail@shop.example"]]
    rung = {row.user_id for row in db.session.query(Notification)}
    assert bell in rung and gone not in rung and len(rung) == 2


def test_a_user_who_is_disabled_or_takes_the_address_away_gets_nothing_any_more(app, clock, smtp, mailbox):
    with_address("Boss", "boss@shop.example")
    ann, ben = with_address("Ann", "ann@shop.example"), with_address("Ben", "ben@shop.example")
    trouble()
    users.disable_user(ann)
    notifications.change_preferences(ben, "", {topic: ["bell", "mail"] for topic in TOPICS})
    assert sorted(send_all(clock, seconds=11)) == ["done", "done", "dropped", "dropped"]
    assert sorted(to for (to,) in mailbox.to) == ["ben@shop.example", "boss@shop.example"]
    mail_of_ben = next(mail for mail in mailbox.mails if mail["To"] == "ben@shop.example")
    assert mail_of_ben["Subject"] == "Cartlink: Messages now go to another address"


def test_an_incident_has_one_notification_which_comes_up_again(app, clock):
    user_id = user_called("Ann")
    one = trouble()
    incident_id = db.session.query(Incident).one().id
    (notification,) = notifications.list_notifications(user_id).rows
    assert (notification.kind, notification.read) == ("opened", False) and notifications.count_unread(user_id) == 1
    assert notifications.read_notification(user_id, notification.id) == incident_id
    assert notifications.count_unread(user_id) == 0
    incidents.resolve(one, ("key_rejected",))
    (notification,) = notifications.list_notifications(user_id).rows
    assert (notification.kind, notification.read) == ("resolved", False)
    notifications.read_all(user_id)
    assert notifications.count_unread(user_id) == 0


def test_changes_of_the_account_are_mailed_whatever_was_chosen(app, clock, smtp, mailbox):
    ann = with_address("Ann", "ann@shop.example", {topic: [] for topic in TOPICS})
    code = users.issue_password_code(ann)
    users.set_password(code, "violet harbour lamps 7")
    users.change_password(ann, "violet harbour lamps 7", "plum kettle orbit 9")
    token = notifications.note_browser(ann, "", "Firefox on Linux, from the address 192.0.2.1.")
    assert notifications.note_browser(ann, token, "Firefox on Linux") == token
    tokens.create_token(ann, "ERP", ["orders:read"], "user:Ann")
    notifications.note_browser(ann, "", "Chrome on Windows, from the address 192.0.2.9.")
    assert set(send_all()) == {"done"}
    assert [mail["Subject"] for mail in mailbox.mails] == [
        "Cartlink: A link to set your password was made", "Cartlink: Your password was changed", "Cartlink: Your password was changed",
        "Cartlink: An API token was created", "Cartlink: A new browser has signed in",
    ]  # fmt: skip
    raw = b"".join(mailbox.raw)
    assert code.encode() not in raw and b"violet" not in raw and b"plum" not in raw
    assert "Chrome on Windows, from the address 192.0.2.9." in mailbox.mails[-1].get_body(("plain",)).get_content()


@pytest.mark.config(smtp_host="")
def test_without_a_mail_server_nothing_is_written_to_be_mailed(app, clock):
    ann = with_address("Ann", "ann@shop.example")
    trouble()
    notifications.note_browser(ann, "", "x")
    notifications.note_browser(ann, "", "y")
    assert deliveries() == [] and notifications.count_unread(ann) == 1


def test_starttls_and_a_sign_in_and_a_certificate_nobody_vouches_for(app, mailbox, tmp_path, monkeypatch):
    certificate = make_certificate(tmp_path)
    mail = Mail("key-1", "ann@shop.example", "Hello", "text", "<p>text</p>")
    with smtp_server(mailbox, certificate=certificate) as port:
        server = MailServer("127.0.0.1", port, "STARTTLS", "cartlink@shop.example", "cartlink", "geheim wörd")
        with pytest.raises(NotDelivered, match="encryption"):
            mailer.send(server, mail)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        mailer.send(server, mail)
        assert mailbox.signed_in == ["cartlink"] and len(mailbox.mails) == 1
        with pytest.raises(NotDelivered, match="does not accept Cartlink’s user name") as refused:
            mailer.send(MailServer("127.0.0.1", port, "STARTTLS", "c@shop.example", "cartlink", "wrong"), mail)
        assert "wrong" not in str(refused.value)
        with pytest.raises(NotDelivered):
            mailer.send(MailServer("127.0.0.1", port, "NONE", "c@shop.example"), mail)
    assert "geheim" not in repr(server)


def test_tls_from_the_first_byte(app, mailbox, tmp_path, monkeypatch):
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with smtp_server(mailbox, certificate=certificate, tls=True) as port:
        mailer.send(MailServer("127.0.0.1", port, "TLS", "c@shop.example"), Mail("k", "ann@shop.example", "s", "t", "h"))
    assert len(mailbox.mails) == 1


def test_a_server_that_does_not_take_the_mail_says_why(app, mailbox):
    mailbox.at_data = lambda: "554 5.7.1 smells of spam"
    with smtp_server(mailbox) as port:
        server = MailServer("127.0.0.1", port, "NONE", "c@shop.example")
        with pytest.raises(NotDelivered, match="554 5.7.1 smells of spam") as said:
            mailer.send(server, Mail("k", "ann@shop.example", "s", "t", "h"))
        assert not isinstance(said.value, DeliveryRefused)
