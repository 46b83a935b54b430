"""Notification settings of a user: which messages, and to which email address."""

from __future__ import annotations

from flask import Blueprint, request, url_for
from flask_login import current_user

from blueprints.expired import keeps_input
from blueprints.forms import Answer, form_page
from blueprints.htmx import go_to, toast
from blueprints.notify.forms import PreferencesForm
from errors import InvalidInput
from services.notify import notifications, outbox
from services.notify.incident_texts import TOPICS

bp = Blueprint("preferences", __name__, url_prefix="/account/notifications")


@bp.route("", methods=["GET", "POST"])
@keeps_input
def change_preferences() -> Answer:
    preferences = notifications.preferences_of(current_user.id)
    form = PreferencesForm(email=preferences.email)
    chosen = {topic: list(ways) for topic, ways in preferences.choices.items()}
    if form.validate_on_submit():
        chosen = {topic: [way for way in notifications.WAYS if topic in request.form.getlist(way)] for topic in TOPICS}
        try:
            address_changed = notifications.change_preferences(current_user.id, form.email.data or "", chosen)
        except InvalidInput as error:
            form.refuse(error)
        else:
            mailed = address_changed and form.email.data and notifications.mail_is_set_up()
            toast("Saved. A first email is on its way to the new address." if mailed else "Saved.")
            return go_to(url_for(".change_preferences"))
    mail_works, sent = notifications.mail_is_set_up(), outbox.last_of_user(current_user.id)
    return form_page("notify/preferences.html", form, chosen=chosen, topics=TOPICS, mail_works=mail_works, sent=sent)
