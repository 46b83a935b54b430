"""What a person wants to be told of, and where they get mail."""

from __future__ import annotations

from flask import Blueprint, request, url_for
from flask_login import current_user

from blueprints.accounts.routes import Answer, form_page
from blueprints.expired import keeps_input
from blueprints.htmx import go_to, toast
from blueprints.incidents.forms import WishesForm
from errors import InvalidInput
from services import notices, outbox
from services.incident_words import TOPICS

bp = Blueprint("wishes", __name__, url_prefix="/account/notifications")


@bp.route("", methods=["GET", "POST"])
@keeps_input
def change_wishes() -> Answer:
    wishes = notices.wishes_of(current_user.id)
    form = WishesForm(email=wishes.email)
    chosen = {topic: list(ways) for topic, ways in wishes.choices.items()}
    if form.validate_on_submit():
        chosen = {topic: [way for way in notices.WAYS if topic in request.form.getlist(way)] for topic in TOPICS}
        try:
            anew = notices.change_wishes(current_user.id, form.email.data or "", chosen)
        except InvalidInput as error:
            form.refuse(error)
        else:
            mailed = anew and form.email.data and notices.mail_is_set_up()
            toast("Kept. A first mail is on its way to the new address." if mailed else "Kept.")
            return go_to(url_for(".change_wishes"))
    return form_page(
        "incidents/wishes.html", form, chosen=chosen, topics=TOPICS, mail_works=notices.mail_is_set_up(),
        sent=outbox.last_of_user(current_user.id),
    )  # fmt: skip
