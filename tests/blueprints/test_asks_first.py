"""Nothing that a person made is lost by one click: what cannot be undone by one click on the same place asks first (CONTRIBUTING.md)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from flask import Flask
from playwright.sync_api import Page, expect

from cli import GROUPS
from services.accounts import list_views
from services.security.audit import KINDS
from tests.blueprints.looks import assert_fits
from tests.support.reach import ENDING, GOING_ON, last_word, reach, takes_away

TEMPLATES = Path(__file__).parents[2] / "templates"
ENDS = re.compile(r"(remove|drop|discard|cancel|revoke|rotate|disable|stop|request_stop|mute|end|sign_out|void|undo|erase)(_|$)")
"""How the names of routes begin that delete or stop something. Others are found by what they record in the audit trail, and by the rows
they delete (tests/support/reach.py)."""
PART = re.compile(
    r"<details|</details>|\{% call (?P<called>\w+)|\{% endcall|url_for\('(?P<endpoint>[\w.]+)'| form=\"(?P<form>[\w-]+)\""
)
UNDONE_ON_THE_SPOT = "what it undoes is there to be done again, or is shown before anything changes"
SIGN_IN = "nothing is lost: the browser signs in again"
AT_ONCE = {
    **dict.fromkeys(("accounts.sign_out", "account.end_session", "account.end_all_sessions", "users.sign_out_user"), SIGN_IN),
    "integrations.set_enabled": "a switch: the next click switches back",
    **dict.fromkeys(("order.evaluate", "held.evaluate"), "stored lines become what the shop sent; nothing that a person made is lost"),
    "runs.request_stop": "its page has *Run again*, and the message says so",
    "stock_files.drop": "nothing is changed: the file is with the person, and the message says so",
    "onboarding.cancel": "leaves a form, as *Cancel* says; a draft in the list asks",
    "reauthorise.cancel": "leaves a form, as *Cancel* says",
    "feed_setup.cancel": "leaves a form, as *Cancel* says",
    **dict.fromkeys(("batches.undo_batch", "shipment.undo_shipment", "stock_files.undo_file", "shipment_files.undo_file"), UNDONE_ON_THE_SPOT),
}  # fmt: skip
"""What acts without a question, and why."""
ASKED_SOMEWHERE = {("onboarding/catalogue.html", "onboarding.cancel")}


def ends_something(app: Flask) -> set[str]:
    """The routes that do, except those with a page of their own at the same address, which asks."""
    reading = {rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    return {
        rule.endpoint for rule in app.url_map.iter_rules()
        if "POST" in (rule.methods or ()) and not rule.rule.startswith("/api/") and rule.rule not in reading
        and (ENDS.match(rule.endpoint.partition(".")[2]) or takes_away(app.view_functions[rule.endpoint]))
    }  # fmt: skip


def buttons() -> Iterator[tuple[str, str, bool]]:
    """The template, the route and whether it asks, of each form or button that leads somewhere. A form that a button elsewhere sends is as
    that button is."""
    for path in sorted(TEMPLATES.rglob("*.html")):
        text, inside = path.read_text(encoding="utf-8"), list[str]()
        forms = dict(re.findall(r"<form[^>]*?url_for\('([\w.]+)'[^>]*? id=\"([\w-]+)\"", text))
        asks: dict[str, list[bool]] = defaultdict(list)
        for part in PART.finditer(text):
            if part["endpoint"] or part["form"]:
                asks[part["endpoint"] or part["form"]].append(bool({"ask", "details"} & {*inside}))
            elif part[0] in ("</details>", "{% endcall"):
                inside.pop()
            else:
                inside.append(part["called"] or "details")
        for endpoint, places in asks.items():
            yield path.relative_to(TEMPLATES).as_posix(), endpoint, all(asks.get(forms.get(endpoint, ""), places))


def test_what_deletes_or_stops_something_asks_first_or_says_how_to_get_it_back(app: Flask) -> None:
    known = ends_something(app)
    assert len(known) > 20 and not AT_ONCE.keys() - known
    wrong = sorted(
        f"{template}: {endpoint}"
        for template, endpoint, asks in buttons()
        if endpoint in known and not asks and (endpoint not in AT_ONCE or (template, endpoint) in ASKED_SOMEWHERE)
    )
    assert not wrong, f"Put these into the macro `ask` of macros/lists.html, or name them in AT_ONCE with the way back: {wrong}"


def test_each_kind_of_the_audit_trail_is_known_to_take_something_away_or_not() -> None:
    words = {last_word(kind) for kind in KINDS if not kind.startswith("test.")}  # those come from tests of the trail
    assert words == ENDING | GOING_ON, (
        "Put new words into ENDING or GOING_ON of tests/support/reach.py, and take out what is gone"
    )


def test_what_takes_something_away_is_found_by_what_it_does(app: Flask) -> None:
    for endpoint in (
        "carriers.remove_carrier",
        "tokens.revoke_token",
        "removal.remove_integration",
        "privacy.erase_order",
        "feeds.remove_feed",
    ):
        assert takes_away(app.view_functions[endpoint]), endpoint
    for endpoint in ("carriers.add_carrier", "feeds.fetch_now", "stock.add_stock_item"):
        assert not takes_away(app.view_functions[endpoint]), endpoint
    found = {kind for rule in app.url_map.iter_rules() for kind in reach(app.view_functions[rule.endpoint])}
    commands = {kind for group in GROUPS for each in getattr(group, "commands", {}).values() for kind in reach(each.callback)}
    ending = {kind for kind in KINDS if last_word(kind) in ENDING}
    assert not ending - found - commands, "no page and no command is seen to record these"


def test_a_saved_view_is_removed_after_a_question_inside_the_menu(page: Page) -> None:
    list_views.save_view(1, "orders", "Ready and old", {"state": "ready"})
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto("/orders")
        page.locator("#views > summary").click()
        page.locator("#views .ask > summary").click()
        expect(page.get_by_text("Its filters are not kept.")).to_be_visible()
        assert_fits(page, f"{width} px")
    page.get_by_role("button", name="Remove the view Ready and old").click()
    expect(page.locator("#toasts")).to_contain_text("The view was removed.")
