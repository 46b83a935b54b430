"""The last step of the wizard: its options, the preview, and what it saves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from extensions import db
from models import Integration, SyncRun
from models.types import utcnow
from practice_shop import PracticeShop
from tests.blueprints.pages import complaints, element, elements, form_data, htmx, toasts, words
from tests.blueprints.queues import work_off
from tests.blueprints.rows import add_integration
from tests.blueprints.test_wizard import drafts, the_integration
from tests.blueprints.walks import LIST, begin, connect, give_shop, to_options
from tests.support.signed_in import FreshClient


def connect_from(client: FreshClient, step: str) -> Integration:
    answer = client.post(step, data=form_data(client.get(step).text, "with_variants"))
    assert answer.location == LIST, complaints(answer.text)
    return the_integration()


class TestTheOptions:
    def test_each_answer_is_set_from_what_the_shop_shows_and_says_why(self, client: FreshClient, practice: PracticeShop) -> None:
        page = client.get(to_options(client, practice)).text
        variants = len(practice.store.variants)
        assert f"Found {variants} variants." in page
        assert element(page, "input", name="with_variants", value="yes", checked="")
        assert "Select Yes for fields where you are using that option in X-Cart." in page
        legends = [words(legend.text) for legend in elements(page, "legend")]
        for label in ("Product variants", "Product options (attributes)", "Discounts and coupons", "Several tax lines",
                      "Order notes", "Back orders", "Orders that are ready to ship"):  # fmt: skip
            assert label in legends
        select_ = element(page, "select", name="processed_status")
        names = [
            words(option.text) for option in elements(page, "option") if select_["id"] in [p.get("id") for p in option.parents]
        ]
        assert names == [status.name for status in practice.store.statuses["shipping"].values()]
        assert words(element(page, "option", selected="", value="S").text) == "Shipped"
        # The shop's orders have tax, so the answer No is questioned; nothing suggests another answer on shipping.
        assert "Use X-Cart tax settings" in legends and "Use X-Cart tax settings for shipping" not in legends
        assert element(page, "input", name="ready", checked="")["value"] == "authorised"
        checked = {box["value"] for box in elements(page, "input", name="work", checked="")}
        assert checked == {"P:*", "A:*"}

    def test_back_orders_are_no_unless_the_shop_has_some(self, client: FreshClient) -> None:
        """Yes was selected although no shop says it: orders for more than was in stock were ready to ship."""
        with PracticeShop(products=2, orders=2) as shop:
            page = client.get(to_options(client, shop)).text
            assert element(page, "input", name="with_back_orders", checked="")["value"] == "no"
            assert "No back orders were found. With No, an order for more than is in stock is put on hold." in words(page)
            shop.store.place_order([(next(iter(shop.store.products)), 1)], shipping="NBA")
            page = client.get(to_options(client, shop, name="Second")).text
            assert element(page, "input", name="with_back_orders", checked="")["value"] == "yes"
            assert "1 of the last 3 orders is a back order." in words(page)

    def test_the_last_three_orders_are_shown_and_follow_the_answers(self, client: FreshClient) -> None:
        with PracticeShop(products=2, orders=0) as shop:
            product = next(iter(shop.store.products))
            for number in range(4):
                shop.store.place_order(
                    [(product, 1, 100.0)], at=datetime.now(UTC) - timedelta(hours=5 - number), shipping_cost=5,
                    surcharges=[("tax", "TAX", "Sales tax", 8.0), ("handling", "PACK", "Packing fee", 2.5)], notes="Ring twice",
                )  # fmt: skip
            step = to_options(client, shop)
            page = client.get(step).text
            titles = [item["aria-label"] for item in elements(page, "article")]
            assert titles == ["Order 4", "Order 3", "Order 2"]
            text = words(element(page, "article", **{"aria-label": "Order 4"}).text)
            assert "Items 108.00" in text
            assert "Other (Packing fee) 2.50" in text
            assert "Total US$115.50" in text
            assert "Ready to ship" in text
            # With the answer No the tax is in the prices: the sums add up to the total, and it says what of it is tax.
            for several in ("yes", "no"):
                answers = form_data(page, "with_variants", with_tax_lines=several)
                part = client.post(step.replace("/options", "/import-preview"), data=answers, headers=htmx("import-preview"))
                text = words(element(part.text, "article", **{"aria-label": "Order 4"}).text)
                name = "Sales tax" if several == "yes" else "tax"
                assert f"Items 108.00 Shipping 5.00 Other (Packing fee) 2.50 Total US$115.50 of which {name} 8.00" in text
            changed = form_data(
                page, "with_variants", use_tax="yes", surcharge_name="packing FEE", with_notes="no", ready="custom", work=["Q:*"]
            )
            changed["with_tax_lines"] = "no"
            part = client.post(step.replace("/options", "/import-preview"), data=changed, headers=htmx("import-preview"))
            text = words(element(part.text, "article", **{"aria-label": "Order 4"}).text)
            assert part.text.lstrip().startswith("<section")
            assert "Items 100.00 Shipping 7.50 Tax on items 8.00 Total US$115.50" in text and "of which" not in text
            assert "Ring twice" not in text
            assert "Awaiting payment" in text
            assert element(client.get(step).text, "input", name="surcharge_name")["value"] == "packing FEE"

    def test_without_javascript_a_button_shows_the_orders_again(self, client: FreshClient, practice: PracticeShop) -> None:
        step = to_options(client, practice)
        sent = form_data(client.get(step).text, "with_variants", use_tax="yes", action="recalculate")
        answer = client.post(step, data=sent)
        assert answer.status_code == 200
        assert element(answer.text, "input", name="use_tax", value="yes", checked="")
        assert len(drafts()) == 1

    def test_the_answers_on_tax_and_the_surcharge_name_are_suggested(self, client: FreshClient) -> None:
        with PracticeShop(products=2, orders=0) as shop:
            product = next(iter(shop.store.products))
            rows = [("tax", "TAX", "VAT", 7.7), ("handling", "SHIP", "Shipping surcharge", 3)]
            shop.store.place_order([(product, 1, 100.0)], shipping_cost=10, surcharges=rows)
            step = to_options(client, shop)
            page = client.get(step).text
            suggestion = words(element(page, "section", aria_labelledby="suggested").text)
            assert "suggest other answers than you gave" in suggestion
            assert "Use X-Cart tax settings Yes No Suggested: Yes. Order 1 has US$7.70 of tax." in suggestion
            assert "Use X-Cart tax settings for shipping Yes No Suggested: Yes." in suggestion
            assert "Suggested: ‘Shipping surcharge’. Order 1 has ‘Shipping surcharge’ of US$3.00." in suggestion
            # Until they are accepted, what was answered before counts.
            assert element(page, "input", name="use_tax", value="no", checked="")
            page = client.post(step, data=form_data(page, "with_variants", action="suggest")).text
            assert element(page, "input", name="use_tax", value="yes", checked="")
            assert element(page, "input", name="use_shipping_tax", value="yes", checked="")
            assert element(page, "input", name="surcharge_name")["value"] == "Shipping surcharge"
            assert not elements(page, "button", value="suggest")
            assert "These are the answers that your last orders suggest." in words(
                element(page, "section", aria_labelledby="suggested").text
            )
            # They count where the user goes back, too, and then nothing is left to suggest.
            client.post(
                step.replace("/options", "/import-preview"), data=form_data(page, "with_variants"), headers=htmx("import-preview")
            )
            before = step.replace("/options", "/shop")
            client.post(before, data=form_data(client.get(before).text, "endpoint"))
            work_off("checks")
            assert "Suggested from your orders" not in client.get(step).text
            made = connect_from(client, step)
            assert (made.use_tax, made.use_shipping_tax, made.surcharge_name) == (True, True, "Shipping surcharge")

    def test_answers_that_the_orders_confirm_are_not_asked_twice(self, client: FreshClient) -> None:
        with PracticeShop(products=1, orders=0) as shop:
            shop.store.place_order([(next(iter(shop.store.products)), 1, 100.0)], surcharges=[("tax", "TAX", "VAT", 20)])
            step = to_options(client, shop, use_tax="yes", surcharge_name="Porto")
            page = client.get(step).text
            assert "Suggested from your orders" not in page
            assert element(page, "input", name="use_tax")["type"] == "hidden"
            made = connect_from(client, step)
            assert (made.use_tax, made.use_shipping_tax, made.surcharge_name) == (True, False, "Porto")

    @pytest.mark.parametrize(("ready", "pairs"), [("paid", [["P", "*"]]), ("authorised", [["P", "*"], ["A", "*"]])])
    def test_a_usual_choice_needs_no_pairs_of_statuses(
        self, client: FreshClient, practice: PracticeShop, ready: str, pairs: list[list[str]]
    ) -> None:
        made = connect(client, practice, ready=ready, work=["D:S"])
        assert made.work_statuses == pairs
        page = client.get(f"{LIST}/{made.id}/settings").text
        assert element(page, "input", name="ready", checked="")["value"] == ready

    def test_custom_shows_the_pairs_with_paid_first(self, client: FreshClient, practice: PracticeShop) -> None:
        made = connect(client, practice, ready="custom", work=["D:S"])
        page = client.get(f"{LIST}/{made.id}/settings").text
        assert element(page, "input", name="ready", checked="")["value"] == "custom"
        groups = elements(page, "details")
        assert words(groups[0].text).startswith("Paid")
        assert groups[0].get("open") is not None
        assert [box["value"] for box in elements(page, "input", name="work", checked="")] == ["D:S"]

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"since": "date", "since_date": ""}, "Enter the first day, for example 2026-11-30."),
            ({"since": "date", "since_date": "2999-01-01"}, "The first day is in the future. Choose today or an earlier day."),
            (
                {"since": "date", "since_date": "0001-01-01"},
                "The first day is before there were such shops. Choose a day after 2000.",
            ),
            ({"since": "date", "since_date": "soon"}, "Not a valid date value."),
            ({"ready": "custom", "work": None}, "Choose at least one combination. Otherwise no order becomes ready to ship."),
            ({"ready": "custom", "work": ["P:*", "NONSENSE:*"]}, "NONSENSE:* is not offered. Choose another one."),
            ({"with_notes": None}, "Select Yes or No."),
            ({"with_notes": "perhaps"}, "That choice is not offered. Choose another one."),
            ({"processed_status": "ZZ"}, "That choice is not offered. Choose another one."),
        ],
    )
    @pytest.mark.sampled(3)
    def test_bad_answers_are_explained_and_nothing_is_made(
        self, client: FreshClient, practice: PracticeShop, changes: dict[str, object], said: str
    ) -> None:
        step = to_options(client, practice)
        answer = client.post(step, data=form_data(client.get(step).text, "with_variants", **changes))
        assert answer.status_code == 422
        assert said in complaints(answer.text)
        assert db.session.scalars(select(Integration)).all() == []

    def test_a_shop_without_orders(self, client: FreshClient) -> None:
        with PracticeShop(products=0, orders=0) as shop:
            page = client.get(to_options(client, shop)).text
        assert "The shop has no orders yet." in page


class TestTheEnd:
    def test_next_makes_the_integration_enabled_and_starts_its_runs(self, client: FreshClient, practice: PracticeShop) -> None:
        step = to_options(client, practice, use_tax="yes", surcharge_name="Porto")
        sent = form_data(
            client.get(step).text, "with_variants", with_notes="no", with_back_orders="no", processed_status="D",
            ready="custom", work=["P:N", "A:*"], since="date", since_date="2026-11-01",
        )  # fmt: skip
        answer = client.post(step, data=sent, headers={"Cookie": "zone=Europe/Berlin"})
        assert (answer.status_code, answer.location) == (303, LIST)
        made = the_integration()
        assert (made.name, made.enabled, made.endpoint, made.health) == ("Garden shop", True, practice.url, "connected")
        assert (made.use_tax, made.use_shipping_tax, made.surcharge_name) == (True, False, "Porto")
        assert (made.with_notes, made.with_back_orders, made.with_variants) == (False, False, True)
        assert (made.processed_status, made.work_statuses) == ("D", [["P", "N"], ["A", "*"]])
        assert {row[0] for row in made.statuses} == {"payment", "shipping"}
        assert made.key_last4 == (practice.key or "")[-4:]
        assert drafts() == []
        kinds = {run.kind for run in db.session.scalars(select(SyncRun).where(SyncRun.state == "queued"))}
        assert kinds == {"orders", "listings", "stock"}
        page = client.get(LIST).text
        assert toasts(page) == ["Garden shop is connected. Cartlink is downloading its orders and listings."]
        assert "Syncing" in page
        assert elements(page, "progress")

    def test_what_was_begun_before_for_the_same_shop_is_not_offered_any_more(
        self, client: FreshClient, practice: PracticeShop
    ) -> None:
        to_options(client, practice)
        step = to_options(client, practice)
        assert len(drafts()) == 2
        client.post(step, data=form_data(client.get(step).text, "with_variants"))
        assert the_integration().endpoint == practice.url
        assert drafts() == [] and "Continue where you left off" not in client.get(LIST).text

    def test_the_first_day_begins_at_midnight_where_the_reader_is(self, client: FreshClient, practice: PracticeShop) -> None:
        client.set_cookie("zone", "Europe/Berlin")
        made = connect(client, practice, since="date", since_date="2026-11-02")
        assert made.orders_since == datetime(2026, 11, 1, 23, tzinfo=UTC)

    def test_from_now_on(self, client: FreshClient, practice: PracticeShop) -> None:
        assert utcnow() - connect(client, practice, since="now").orders_since < timedelta(minutes=1)

    def test_next_twice_makes_one(self, client: FreshClient, practice: PracticeShop) -> None:
        step = to_options(client, practice)
        sent = form_data(client.get(step).text, "with_variants")
        assert client.post(step, data=sent).location == LIST
        again = client.post(step, data=sent)
        assert (again.status_code, again.location) == (303, LIST)
        assert the_integration().name == "Garden shop"
        assert any("That set-up has ended" in said for said in toasts(client.get(LIST).text))

    def test_a_name_taken_meanwhile(self, client: FreshClient, practice: PracticeShop) -> None:
        step = to_options(client, practice)
        add_integration("Garden shop")
        answer = client.post(step, data=form_data(client.get(step).text, "with_variants"))
        assert answer.status_code == 422
        assert "There is an integration called 'Garden shop' already." in complaints(answer.text)[0]
        assert element(answer.text, "a", href=step.replace("/options", "/name"))

    def test_the_same_shop_twice_is_refused(self, client: FreshClient, practice: PracticeShop) -> None:
        connect(client, practice)
        work_off()
        step = give_shop(client, begin(client, "Once more"), practice.url, practice.key or "")
        assert complaints(client.get(step).text) == [
            "That shop is connected already, as Garden shop. Open that integration instead."
        ]

    def test_cancel_keeps_nothing(self, client: FreshClient, practice: PracticeShop) -> None:
        step = to_options(client, practice)
        cancel = element(client.get(step).text, "form", id="cancel")
        answer = client.post(cancel["action"])
        assert (answer.status_code, answer.location) == (303, LIST)
        assert drafts() == []
        assert client.get(step).location == LIST

    def test_a_key_changed_after_the_test_is_tested_again(self, client: FreshClient, practice: PracticeShop) -> None:
        options = to_options(client, practice)
        shop = options.replace("/options", "/shop")
        client.post(shop, data=form_data(client.get(shop).text, "endpoint", api_key="another-key-entirely"))
        assert client.get(options).location == shop
        sent = {"with_variants": "yes"}
        assert client.post(options, data=sent).location == shop
        assert db.session.scalars(select(Integration)).all() == []
