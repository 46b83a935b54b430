"""The settings of the webhook, and the mail server as configured. For owners."""

from __future__ import annotations

from flask import Blueprint, current_app, request, url_for

from blueprints.actors import current_actor
from blueprints.expired import keeps_input
from blueprints.forms import Answer, form_page
from blueprints.htmx import go_to, toast
from blueprints.notify.forms import WebhookForm
from errors import InvalidInput
from services.notify import notifications, outbox, webhooks
from services.notify.incident_texts import TOPICS

bp = Blueprint("webhook", __name__, url_prefix="/settings/notifications")


@bp.route("", methods=["GET", "POST"])
@keeps_input
def change_webhook() -> Answer:
    """A new secret is shown once, in this response."""
    kept = webhooks.get_webhook()
    form = WebhookForm(url=kept.url if kept else "", enabled="yes" if kept is None or kept.enabled else "no")
    chosen = list(kept.topics) if kept else list(TOPICS)
    if form.validate_on_submit():
        chosen = request.form.getlist("topics")
        try:
            secret = webhooks.change_webhook(form.url.data, chosen, form.enabled.data == "yes", current_actor())
        except InvalidInput as error:
            form.refuse(error)
        else:
            if secret:
                return show(WebhookForm(None, url=form.url.data, enabled=form.enabled.data), chosen, secret)
            toast("Saved.")
            return go_to(url_for(".change_webhook"))
    return show(form, chosen)


@bp.post("/secret")
def renew_secret() -> Answer:
    secret = webhooks.renew_secret(current_actor())
    kept = webhooks.get_webhook()
    form = WebhookForm(None, url=kept.url if kept else "", enabled="yes" if kept and kept.enabled else "no")
    return show(form, list(kept.topics) if kept else [], secret)


@bp.post("/test")
def send_test() -> Answer:
    webhooks.send_test(current_actor())
    toast("A test call is being sent. Its result appears below.", "info")
    return go_to(url_for(".change_webhook"))


@bp.post("/remove")
def remove_webhook() -> Answer:
    webhooks.remove_webhook(current_actor())
    toast("The webhook and its secret are removed.")
    return go_to(url_for(".change_webhook"))


def show(form: WebhookForm, chosen: list[str], secret: str = "") -> Answer:
    kept = webhooks.get_webhook()
    config = current_app.config["CARTLINK"]
    page = form_page(
        "notify/webhook.html", form, chosen=chosen, topics=TOPICS, kept=kept, secret=secret, mail=config if config.smtp_host else None,
        mail_works=notifications.mail_is_set_up(), sent=outbox.last_of_webhook(kept.id) if kept else [],
    )  # fmt: skip
    if secret:
        page.status_code = 200
        page.headers["Cache-Control"] = "no-store"
    return page
