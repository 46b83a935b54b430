from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from extensions import db, writing
from models import Allocation, Integration, Link, Order, OrderLine, Shipment, Shop, SyncRun, WriteBack
from models.types import utcnow
from practice_shop import PracticeShop
from tests.blueprints.pages import complaints, element, elements, form_data, htmx, toasts, words
from tests.blueprints.queues import work_off
from tests.blueprints.rows import add_failed_listing, add_held_order, add_integration, add_run, read_integration
from tests.blueprints.walks import LIST, begin, connect, give_shop
from tests.support.rows import make_integration, make_item, make_order
from tests.support.signed_in import FreshClient


def count(model: type) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def reserved_by(order_id: int) -> int:
    db.session.rollback()
    query = select(func.sum(Allocation.reserved)).join(OrderLine).where(OrderLine.order_id == order_id)
    return db.session.scalar(query) or 0


class TestRemoving:
    def test_the_page_lists_what_is_open_and_asks(self, client: FreshClient) -> None:
        integration_id = add_integration(waiting_run_id=1)
        add_held_order(integration_id, "1")
        add_failed_listing(integration_id, "A")
        add_held_order(integration_id, "2")
        add_held_order(integration_id, "3")
        with writing() as session:
            shipped = session.scalar(select(Order).where(Order.number == "2"))
            shipped.state = "shipped"
            session.add(
                WriteBack(order_id=shipped.id, shop_id=shipped.shop_id, event="shipped", actor="user:ann", tracking_numbers=[])
            )
            unsent = session.scalar(select(Order).where(Order.number == "3"))
            unsent.state = "shipped"
            session.add_all(
                WriteBack(
                    order_id=unsent.id,
                    shop_id=unsent.shop_id,
                    event="shipped",
                    actor="user:ann",
                    tracking_numbers=[],
                    state=state,
                )
                for state in ("failed", "waiting")
            )
            session.add(Shipment(order_id=shipped.id, tracking_number="T-1", actor="user:ann", by_hand=True))
        page = client.get(f"{LIST}/{integration_id}/remove").text
        items = [words(item.text) for item in elements(page, "li")]
        # Order 2 is counted once, as what a person has to do, although an update of it waits too; order 3 once for both its updates.
        assert items == ["1 order on hold", "1 order with updates that the shop has not received yet",
                         "1 order with something to do by hand in the shop: the list of orders does not show it any more then",
                         "1 listing with a quantity that the shop refused", "a stock update that needs your approval"]  # fmt: skip
        buttons = [words(button.text) for button in elements(page, "button")]
        assert {"OK", "Cancel"} <= set(buttons)
        assert "can continue its history" in page

    def test_what_its_orders_reserve_is_released_unless_it_is_to_be_kept(self, client: FreshClient) -> None:
        for answer, reserved in (("release", 0), ("keep", 2)):
            removed, other = make_integration(f"Garden {answer}"), make_integration(f"Kitchen {answer}")
            item = make_item(f"CUP-{answer}", 3, reserved=2)
            order = make_order(removed, f"1-{answer}", [(item, 2)])
            lacking = make_order(other, f"2-{answer}", [(item, 2)], state="on_hold", held_codes=["short"])
            with writing() as session:
                for allocation in session.scalars(select(Allocation).join(OrderLine).where(OrderLine.order_id == order.id)):
                    allocation.reserved = 2
            page = client.get(f"{LIST}/{removed.id}/remove").text
            assert "2 units are reserved for its open orders" in words(page)
            assert element(page, "input", id="reserved-release").get("checked") is not None
            client.post(f"{LIST}/{removed.id}/remove", data={"reserved": answer})
            assert reserved_by(order.id) == reserved
            # An order of another shop lacked them.
            assert reserved_by(lacking.id) == (0 if answer == "keep" else 2)

    def test_what_was_kept_reserved_is_released_later_from_the_page_of_the_removed_shop(self, client: FreshClient) -> None:
        removed = make_integration("Garden")
        item = make_item("CUP", 3, reserved=2)
        order = make_order(removed, "1", [(item, 2)])
        with writing() as session:
            for allocation in session.scalars(select(Allocation)):
                allocation.reserved = 2
        place = f"{LIST}/{removed.id}"
        assert client.post(f"{place}/release").status_code == 404, "it is not removed"
        client.post(f"{place}/remove", data={"reserved": "keep"})
        page = client.get(place).text
        assert "2 units stay reserved for its open orders" in words(page)
        assert "Garden (removed)" in words(client.get(f"/stock/{item.id}").text)
        assert client.post(element(page, "form", action=f"{place}/release")["action"]).location == place
        assert reserved_by(order.id) == 0
        assert "stay reserved" not in client.get(place).text and "Stock of a removed shop released" in client.get(place).text

    def test_its_orders_are_read_by_link_and_marked(self, client: FreshClient) -> None:
        integration_id = add_integration()
        add_held_order(integration_id, "77")
        order_id = db.session.scalar(select(Order.id))
        client.post(f"{LIST}/{integration_id}/remove")
        page = client.get(f"/orders/{order_id}").text
        assert "Garden shop (removed)" in words(page) and "The shop of this order was removed" in words(page)
        actions = [form["action"] for form in elements(page, "form") if form.get("action")]
        # What people write down for themselves is all that can still be changed.
        assert [action for action in actions if action.startswith("/orders/")] == [
            f"/orders/{order_id}/tags",
            f"/orders/{order_id}/notes",
        ]
        assert "77" not in words(client.get("/orders").text)

    def test_in_a_dialog_it_is_the_same(self, client: FreshClient) -> None:
        integration_id = add_integration()
        part = client.get(f"{LIST}/{integration_id}/remove", headers=htmx("dialog")).text
        assert words(element(part, id="dialog-title").text) == "Remove Garden shop?"
        assert "<html" not in part
        assert element(part, "form", method="dialog")

    def test_ok_removes_and_returns_to_the_list(self, client: FreshClient) -> None:
        integration_id = add_integration()
        run_id = add_run(integration_id)
        answer = client.post(f"{LIST}/{integration_id}/remove")
        assert (answer.status_code, answer.location) == (303, LIST)
        page = client.get(LIST).text
        assert not [row for row in elements(page, "tr") if row.get("id")]
        assert toasts(page)[0].startswith("Garden shop is removed.")
        assert read_integration(integration_id).key_encrypted == b""
        assert db.session.get_one(SyncRun, run_id).outcome == "stopped"
        assert "Garden shop (removed)" in words(client.get("/activity").text)

    def test_the_list_names_what_was_removed_until_the_same_shop_is_connected_again(self, client: FreshClient) -> None:
        assert "Removed:" not in client.get(LIST).text
        first, second = add_integration(name="Garden shop"), add_integration(name="Kitchen shop")
        for integration_id in (first, second):
            client.post(f"{LIST}/{integration_id}/remove")
        page = client.get(LIST).text
        assert words(element(page, "p", id="removed").text) == (
            "Removed: Kitchen shop, Garden shop. Their orders are kept and can be read there."
        )
        assert f"{LIST}/{first}" in [link["href"] for link in elements(page, "a")] and "Connect your first shop" not in page
        again = make_integration("Garden again", shop_id=read_integration(first).shop_id)
        assert words(element(client.get(LIST).text, "p", id="removed").text).startswith("Removed: Kitchen shop. Its orders")
        assert 'id="removed"' not in client.get(f"{LIST}?status=enabled").text
        client.post(f"{LIST}/{again.id}/remove")
        assert words(element(client.get(LIST).text, "p", id="removed").text).startswith("Removed: Garden again, Kitchen shop.")

    def test_twice_says_that_it_is_gone(self, client: FreshClient) -> None:
        integration_id = add_integration()
        client.post(f"{LIST}/{integration_id}/remove")
        answer = client.post(f"{LIST}/{integration_id}/remove")
        assert answer.status_code == 404
        assert "has been removed" in answer.text

    def test_looking_removes_nothing(self, client: FreshClient) -> None:
        integration_id = add_integration()
        client.get(f"{LIST}/{integration_id}/remove")
        assert read_integration(integration_id).removed_at is None


@pytest.mark.both_databases
class TestComingBack:
    @pytest.fixture
    def removed(self, client: FreshClient, practice: PracticeShop) -> Integration:
        """A shop that was connected and downloaded, and then removed."""
        made = connect(client, practice)
        work_off()
        client.post(f"{LIST}/{made.id}/remove")
        return read_integration(made.id)

    def last_step(self, client: FreshClient, shop: PracticeShop, name: str = "Back again") -> str:
        return give_shop(client, begin(client, name), shop.url, shop.key or "")

    def end(self, client: FreshClient, step: str, **changes: object) -> Integration:
        answer = client.post(step, data=form_data(client.get(step).text, "with_variants", **changes))
        assert answer.location == LIST, complaints(answer.text)
        db.session.rollback()
        return db.session.scalars(select(Integration).where(Integration.removed_at.is_(None))).one()

    def test_its_history_is_offered_and_taken_up_without_a_duplicate(
        self, client: FreshClient, practice: PracticeShop, removed: Integration
    ) -> None:
        orders, links, read_to = count(Order), count(Link), removed.shop.orders_read_to
        step = self.last_step(client, practice)
        page = client.get(step).text
        assert "This shop was connected before, as Garden shop" in page
        assert f"{orders} orders and the links of its listings are still stored" in words(page)
        back = self.end(client, step)
        assert back.shop_id == removed.shop_id
        assert back.shop.orders_read_to == read_to
        product = next(iter(practice.store.products))
        practice.store.place_order([(product, 1)])
        practice.clear_requests()
        work_off()
        assert (count(Order), count(Link), count(Shop)) == (orders + 1, links, 1)
        downloads = [entry for entry in practice.requests if "_path=order&" in entry["target"]]
        assert len(downloads) <= 4

    def test_its_open_orders_reserve_again(self, client: FreshClient, practice: PracticeShop, removed: Integration) -> None:
        held = select(func.sum(Allocation.reserved))
        assert (db.session.scalar(held) or 0) == 0
        self.end(client, self.last_step(client, practice))
        assert db.session.scalar(held) > 0

    def test_a_new_domain_is_the_same_shop(self, client: FreshClient, practice: PracticeShop, removed: Integration) -> None:
        orders = count(Order)
        with PracticeShop(store=practice.store) as moved:
            step = self.last_step(client, moved)
            assert "This shop was connected before" in client.get(step).text
            back = self.end(client, step)
            assert (back.shop_id, back.endpoint) == (removed.shop_id, moved.url)
            work_off()
        assert count(Order) == orders

    def test_it_is_known_by_old_orders_when_many_new_ones_came_since(
        self, client: FreshClient, practice: PracticeShop, removed: Integration
    ) -> None:
        product = next(iter(practice.store.products))
        for _ in range(40):
            practice.store.place_order([(product, 1)])
        with PracticeShop(store=practice.store) as moved:
            assert "This shop was connected before" in client.get(self.last_step(client, moved)).text

    def test_starting_afresh_leaves_the_old_orders_to_another_shop(
        self, client: FreshClient, practice: PracticeShop, removed: Integration
    ) -> None:
        orders = count(Order)
        step = self.last_step(client, practice)
        assert "reports count them as those of another shop" in client.get(step).text
        back = self.end(client, step, history="no")
        assert back.shop_id != removed.shop_id
        work_off()
        assert count(Order) == 2 * orders
        assert count(Shop) == 2

    def test_another_shop_is_not_mistaken_for_it(self, client: FreshClient, removed: Integration) -> None:
        with PracticeShop(seed=77) as other:
            assert "was connected before" not in client.get(self.last_step(client, other)).text

    def test_a_connected_shop_under_another_domain_is_not_added_twice(self, client: FreshClient, practice: PracticeShop) -> None:
        connect(client, practice)
        work_off()
        with PracticeShop(store=practice.store) as alias:
            step = self.last_step(client, alias)
            assert complaints(client.get(step).text)[0].startswith("That shop is connected already, as Garden shop.")

    def test_orders_from_before_the_first_start_are_fetched_when_asked_for(
        self, client: FreshClient, practice: PracticeShop, removed: Integration
    ) -> None:
        product = next(iter(practice.store.products))
        practice.store.place_order([(product, 1)], at=utcnow() - timedelta(days=100), number="ancient")
        since = (utcnow() - timedelta(days=120)).date().isoformat()
        self.end(client, self.last_step(client, practice), since="date", since_date=since)
        work_off()
        assert db.session.scalars(select(Order).where(Order.number == "ancient")).one()
