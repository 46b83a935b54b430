"""The forms of suppliers and of the steps that set up a feed."""

from __future__ import annotations

from wtforms import IntegerField, PasswordField, RadioField, SearchField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from blueprints.forms import ListFilter, PageForm, choices, offer_zones, yes_no
from blueprints.labels import SIGN_INS
from services.common import whole_numbers
from services.feeds import code_pages, overview

METHODS = {"https": "A web address (https)", "sftp": "An SFTP server"}
WHOLE, CHANGES = "no", "yes"
CONTENTS = {WHOLE: "Everything the supplier has", CHANGES: "Only what has changed"}
MISSING = {
    "keep": "Keep their quantity", "zero": "Set them to 0", "zero_after": "Set them to 0 after they were missing several times",
}  # fmt: skip
WHEN_STALE = {"keep": "Keep counting them", "hold": "Leave them out", "zero": "Count them as 0"}
WHEN = {"interval": "At intervals", "times": "At times of day"}
INTERVALS = {
    "900": "Every 15 minutes", "1800": "Every 30 minutes", "3600": "Every hour", "7200": "Every 2 hours", "14400": "Every 4 hours",
    "21600": "Every 6 hours", "43200": "Every 12 hours", "86400": "Every day",
}  # fmt: skip
HOUR = 3600
PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
NUMERIC = {"inputmode": "numeric", "autocomplete": "off"}


def radio(label: str, words: dict[str, str], sentence: str) -> RadioField:
    return RadioField(label, choices=choices(words), validators=[InputRequired(sentence)], validate_choice=True)


class WholeField(IntegerField):
    """A whole number in plain digits. What is none is refused by the range alone, in one sentence."""

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = whole_numbers.parse(valuelist[0].strip()) if valuelist else None


def whole(label: str, least: int, most: int) -> WholeField:
    sentence = f"Enter a whole number from {least:,} to {most:,}."
    return WholeField(label, [InputRequired(sentence), NumberRange(least, most, message=sentence)], render_kw=NUMERIC)


class SupplierForm(PageForm):
    name = StringField("Name", [InputRequired("Enter the supplier's name."), Length(max=100)], render_kw={"autocomplete": "off"})
    lead_days = WholeField(
        "Lead days", [Optional(), NumberRange(0, 365, message="Enter a whole number from 0 to 365.")], render_kw=NUMERIC
    )


class FileForm(PageForm):
    """Where the file is, and how to sign in there. A saved secret need not be entered again."""

    name = StringField(
        "Name of the feed", [InputRequired("Enter a name for this feed."), Length(max=100)], render_kw={"autocomplete": "off"}
    )
    method = radio("Where is the file?", METHODS, "Choose where the file is.")
    url = StringField("Address of the file", [Length(max=2000)], render_kw=PLAIN | {"inputmode": "url"})
    auth = SelectField("Sign-in", choices=choices(SIGN_INS["https"]), default="none")
    host = StringField("Server", [Length(max=255)], render_kw=PLAIN)
    path = StringField("Folder and file name", [Length(max=500)], render_kw=PLAIN)
    sftp_auth = SelectField("Sign-in", choices=choices(SIGN_INS["sftp"]), default="password")
    user = StringField("User name", [Length(max=200)], render_kw=PLAIN)
    parameter = StringField("Name of the header or parameter", [Length(max=100)], render_kw=PLAIN)
    secret = PasswordField("Password, token or key", [Length(max=2000)], render_kw={"autocomplete": "off", "spellcheck": "false"})
    sheet = StringField("Sheet (Excel files only)", [Length(max=100)], render_kw={"autocomplete": "off"})
    private_key = TextAreaField("Private key", [Length(max=20_000)], render_kw=PLAIN | {"rows": 4})


class RulesForm(PageForm):
    """What the quantities of a feed mean, how it is limited, and when it is fetched."""

    delta = radio("What does the file contain?", CONTENTS, "Choose what the file contains.")
    missing = radio("Codes that are no longer in the file", MISSING, "Choose what happens to missing codes.")
    missing_after = whole("Times in a row", 2, 100)
    excludes_open_orders = yes_no("Do its quantities already leave out your open orders?")
    priority = whole("Priority", 1, 1000)
    zero_percent = whole("Percent of the codes that may go to 0", 0, 100)
    rows_percent = whole("Percent of last time's rows that must be there", 0, 100)
    unreadable_percent = whole("Percent of the rows that may be unreadable", 0, 100)
    schedule = radio("When is it fetched?", WHEN, "Choose when the file is fetched.")
    interval = SelectField("How often", choices=choices(INTERVALS), default="3600")
    times = StringField("Times of day", [Length(max=300)], render_kw=PLAIN)
    zone = SelectField("Time zone")
    quiet_from = StringField("Quiet hours from", [Length(max=5)], render_kw=PLAIN)
    quiet_until = StringField("Quiet hours until", [Length(max=5)], render_kw=PLAIN)
    stale_hours = whole("Hours without anything new until it is stale", 1, 2400)
    when_stale = radio("Its quantities when it is stale", WHEN_STALE, "Choose what happens when the feed is stale.")

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        offer_zones(self.zone, self.zone.object_data or "")

    def validate_times(self, field: StringField) -> None:
        if self.schedule.data == "times" and not (field.data or "").strip():
            raise ValidationError("Enter at least one time of day.")


class CodeFilter(ListFilter):
    """Filters of the list of unknown codes."""

    q = SearchField("Code")
    feed = SelectField("Feed", default="")
    ignored = SelectField("Show", choices=choices({"": "Not decided", "yes": "Ignored"}), default="")

    def __init__(self, *args: object, **kwargs: object):
        self.feeds = choices({"": "All feeds", **{str(feed_id): name for feed_id, name in overview.feed_names().items()}})
        super().__init__(*args, **kwargs)

    def process(self, *args: object, **kwargs: object) -> None:
        self.feed.choices = self.feeds
        super().process(*args, **kwargs)

    def wanted(self) -> code_pages.Wanted:
        return code_pages.Wanted(self.q.data, int(self.feed.data) if self.feed.data else None, self.ignored.data == "yes")
