"""A merchant's jobs, each as the shortest way that a person sees from the page after sign-in to the work done."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import expect

from practice_shop import PracticeShop
from tests.story.scene import CUSTOMER, SHOP, Scene


@dataclass(frozen=True)
class Job:
    name: str
    walk: Callable[[Scene], None]
    begin: Callable[[Scene], None] | None
    """What comes before the first act that counts."""

    @property
    def slug(self) -> str:
        return re.sub(r"\W+", "-", self.name).casefold()


JOBS: dict[str, Job] = {}


def job(name: str, begin: Callable[[Scene], None] | None = None) -> Callable:
    def keep(walk: Callable[[Scene], None]) -> Callable[[Scene], None]:
        JOBS[name] = Job(name, walk, begin)
        return walk

    return keep


@job("Ship five orders with tracking numbers")
def ship_five(scene: Scene) -> None:
    person, numbers = scene.person, [f"T-{number}" for number in scene.ready]
    scene.today("ready to ship")
    person.tick_all("Select all on this page")
    person.button("Ship …")
    scene.heading("Ship 5 orders")
    if person.way == "plain":
        person.fill("Tracking numbers, one a line", "\n".join(numbers))
        person.button("Fill in")
    else:
        person.paste("\n".join(numbers))
    person.button("Ship 5 orders")
    expect(scene.page.locator("#shipped")).to_contain_text("5 orders shipped.")


@job("Undo that", begin=ship_five)
def undo_shipping(scene: Scene) -> None:
    scene.person.button("Undo")
    scene.toast("5 shipments undone.")


def to_shipped(scene: Scene) -> None:
    if scene.person.way == "keyboard":
        search_everything(scene, scene.shipped)
        scene.person.use(scene.page.locator(".hits a").first)
        scene.heading(re.compile(f"^Order {scene.shipped} "))
        return
    scene.area("Orders")
    states = scene.page.locator("#list-states")
    if states.is_visible():
        scene.person.use(states.get_by_role("link", name=re.compile("^Shipped")))
    else:
        scene.person.choose("State", "Shipped")
        scene.filtered()
    expect(scene.page).to_have_url(re.compile("state=shipped"))
    scene.person.link(scene.shipped)


@job("Correct a tracking number that was sent")
def edit_tracking(scene: Scene) -> None:
    to_shipped(scene)
    shipments = scene.page.get_by_role("region", name="Shipments")
    scene.person.menu("Edit tracking")
    scene.person.fill(shipments.get_by_label("Tracking number").first, "NEW-1")
    scene.person.button("Save", shipments)
    expect(shipments).to_contain_text("NEW-1")


@job("Void a shipment")
def void_shipment(scene: Scene) -> None:
    to_shipped(scene)
    scene.person.menu("Void shipment")
    scene.person.button("Void shipment")
    expect(scene.page.get_by_role("region", name="Shipments")).to_contain_text("Void")


@job("Undo a stock update")
def undo_stock_update(scene: Scene) -> None:
    scene.area("Activity")
    scene.person.use(scene.page.locator("#list").get_by_role("link", name=re.compile("Stock update|Stock")).first)
    scene.person.link("Undo …")
    scene.heading("Undo this stock update?")
    scene.person.button("Undo")
    scene.toast("Cartlink is restoring the previous quantities.")


@job("See who changed a quantity")
def see_who_changed(scene: Scene) -> None:
    scene.area("Stock")
    scene.person.link("CUP")
    expect(scene.row("+13")).to_contain_text("owner")


@job("See all that one person changed")
def see_what_a_person_did(scene: Scene) -> None:
    scene.area("Activity")
    scene.person.menu("More", scene.page.locator("#list-more"))
    scene.person.link("Audit trail")
    scene.person.choose("Who", "owner")
    scene.filtered()
    expect(scene.page.locator("#list")).to_contain_text("CUP")
    expect(scene.page).to_have_url(re.compile("owner"))


@job("Remove a shop")
def remove_shop(scene: Scene) -> None:
    if scene.person.way == "keyboard":
        search_everything(scene, SHOP)
        scene.person.link(SHOP)
    else:
        scene.to_shop()
    scene.person.button("Remove account")
    scene.person.button("OK")
    scene.toast("is removed. Its orders are kept.")


@job("See what needs doing today")
def see_today(scene: Scene) -> None:
    expect(scene.page.locator("main")).to_contain_text("ready to ship")
    expect(scene.page.locator("main")).to_contain_text("The SKU is not one of our stock items")


@job("Find an order by its customer")
def find_by_customer(scene: Scene) -> None:
    search_everything(scene, CUSTOMER)
    scene.person.use(scene.page.locator(".hits a").first)
    scene.heading(re.compile("^Order "))


def search_everything(scene: Scene, text: str) -> None:
    person = scene.person
    if person.way == "keyboard":
        person.press("/")
    elif scene.page.locator("[data-main-menu]").is_visible():
        person.use(scene.page.locator("[data-main-menu]"))
    person.fill(scene.page.locator("#everything"), text)
    person.press("Enter")
    expect(scene.page.get_by_role("heading", level=1, name="Search")).to_be_visible()


@job("Filter and sort orders")
def filter_and_sort(scene: Scene) -> None:
    scene.today("ready to ship")
    scene.person.choose("Placed", "Last 7 days")
    scene.filtered()
    expect(scene.page).to_have_url(re.compile("age=7"))
    if scene.page.get_by_role("link", name="Total").is_visible():
        scene.person.link("Total")
    else:
        scene.person.choose("Sort by", "Largest total")
        scene.filtered()
    expect(scene.page).to_have_url(re.compile("sort=total"))


def to_document(scene: Scene) -> None:
    scene.area("Orders")
    scene.person.menu("More", scene.page.locator("#list-more"))
    scene.person.link("Print ready orders")
    expect(scene.page.locator("article.page")).to_have_count(5)


def print_it(scene: Scene) -> None:
    """Without JavaScript there is no button, but the browser's own."""
    if scene.person.way == "plain":
        scene.person.press("Control+p")
        return
    scene.page.evaluate("window.print = () => { window.printed = true; }")
    scene.person.button("Print")
    scene.page.wait_for_function("window.printed")


@job("Print packing slips of all ready orders")
def print_slips(scene: Scene) -> None:
    to_document(scene)
    print_it(scene)


@job("Print a pick list")
def print_pick_list(scene: Scene) -> None:
    to_document(scene)
    scene.person.link("Pick list")
    scene.heading("Pick list")
    print_it(scene)


@job("Ship two orders one by one, with tracking numbers")
def ship_and_open_next(scene: Scene) -> None:
    scene.today("ready to ship")
    scene.person.link(scene.ready[0])
    scene.heading(re.compile(f"^Order {scene.ready[0]}"))
    scene.person.fill("Tracking number", "A-1")
    scene.person.button("Ship and open next")
    scene.heading(re.compile(f"^Order {scene.ready[1]}"))
    scene.person.fill("Tracking number", "A-2")
    scene.person.button("Ship and open next")
    scene.heading(re.compile(f"^Order {scene.ready[2]}"))


@job("Note and tag an order")
def note_and_tag(scene: Scene) -> None:
    scene.area("Orders")
    scene.person.link(scene.ready[0])
    scene.person.fill("New tag", "Gift")
    scene.person.press("Enter")
    expect(scene.page.locator("#tags")).to_contain_text("Gift")
    scene.person.fill("New note", "Wrap it")
    scene.person.button("Add note")
    expect(scene.page.locator("#notes")).to_contain_text("Wrap it")


def to_export(scene: Scene) -> None:
    scene.area("Orders")
    scene.person.menu("More", scene.page.locator("#list-more"))
    scene.person.link("Export …")
    scene.heading("Export orders")


@job("Export order lines with addresses")
def export_orders(scene: Scene) -> None:
    to_export(scene)
    scene.person.link("One row per line")
    expect(scene.page.get_by_role("link", name="One row per line")).to_have_attribute("aria-current", "true")
    with scene.page.expect_download() as download:
        scene.person.button("Download as CSV")
    scene.downloads.append(download.value.suggested_filename)


@job("Set a low-stock threshold")
def set_threshold(scene: Scene) -> None:
    scene.area("Stock")
    scene.person.link("CUP")
    scene.person.fill("Low when this many or fewer are available", "3")
    scene.person.press("Enter")
    scene.toast("Saved.")


@job("See where the units of an item are")
def see_units(scene: Scene) -> None:
    scene.area("Stock")
    scene.person.link("CUP")
    expect(scene.page.get_by_role("region", name="Reserved by orders")).to_contain_text(scene.ready[0])
    expect(scene.page.get_by_role("region", name="Offered in the shops")).to_contain_text(SHOP)


@job("Find an item wherever it is")
def search_for_item(scene: Scene) -> None:
    search_everything(scene, "PLATE")
    for name in ("Orders", "Stock items", "Listings"):
        scene.heading(name)


@job("Change the stock buffer of a shop")
def change_settings(scene: Scene) -> None:
    scene.to_shop()
    scene.person.link("Edit settings")
    if scene.person.way == "keyboard":
        scene.person.link("Stock", scene.page.get_by_role("navigation", name="Sections of this page"))
    scene.person.fill("Units held back from this shop", "2")
    scene.person.press("Enter")
    scene.toast("Saved")


@job("Switch a shop off and on")
def switch_off_and_on(scene: Scene) -> None:
    scene.area("Settings")
    scene.person.link("Sales channel integration")
    switch = scene.page.get_by_role("switch", name=f"Status of {SHOP}")
    for state in ("false", "true"):
        scene.person.use(switch)
        expect(switch).to_have_attribute("aria-checked", state)
        expect(scene.row(SHOP)).to_contain_text("Disabled" if state == "false" else "Connected")


@job("See the activity of a shop")
def see_activity(scene: Scene) -> None:
    scene.area("Activity")
    scene.person.fill("Shop", "Garden")
    scene.filtered()
    expect(scene.page).to_have_url(re.compile("integration=Garden"))
    expect(scene.page.locator("#list")).to_contain_text(SHOP)


@job("Read a year's sales")
def read_report(scene: Scene) -> None:
    scene.area("Reports")
    scene.person.choose("Period", "Last 365 days")
    scene.filtered()
    expect(scene.page).to_have_url(re.compile("365"))
    expect(scene.page.locator("dl.totals")).to_be_visible()


@job("Release a held order")
def release_held(scene: Scene) -> None:
    scene.area("Orders")
    scene.person.link("Fix 1 held order")
    scene.person.fill("On hand now", "5")
    scene.person.press("Enter")
    scene.toast("1 order released.")


@job("Approve a stock update")
def approve(scene: Scene) -> None:
    scene.today("stock update")
    scene.person.button("Confirm and send")
    scene.toast("")


@job("Import a stock file")
def import_stock(scene: Scene) -> None:
    scene.area("Stock")
    scene.person.menu("More", scene.page.locator("#list-more"))
    scene.person.link("Import stock")
    scene.person.give_file("CSV or Excel file", "stock.csv", b"sku,quantity\nCUP,77\n")
    scene.person.button("Preview")
    expect(scene.page.get_by_role("heading", level=1)).to_be_visible()
    scene.work()
    scene.person.button("Set these quantities")
    expect(scene.page.get_by_text("Setting quantities").first).to_be_visible()
    scene.work()
    expect(scene.page.get_by_text("1 item changed")).to_be_visible()


@job("Fetch a supplier's stock list")
def fetch_feed(scene: Scene) -> None:
    scene.area("Suppliers")
    scene.person.link(scene.feed)
    scene.person.button("Fetch now")
    expect(scene.page.locator("#live")).to_contain_text("Fetching")


@job("Send an export on a schedule")
def schedule_export(scene: Scene) -> None:
    to_export(scene)
    scene.person.fill("Name of the export", "Warehouse")
    scene.person.button("Save")
    scene.person.link("Deliveries of Warehouse")
    scene.person.link("Set up delivery")
    scene.person.fill("Email addresses", "ann@partner.example")
    scene.person.fill("Times of day", "06:30")
    scene.person.button("Save")
    expect(scene.page.get_by_text("ann@partner.example").first).to_be_visible()


@job("Connect a shop")
def connect_shop(scene: Scene) -> None:
    scene.area("Settings")
    scene.person.link("Sales channel integration")
    scene.person.button("Add sales channel")
    scene.person.button("Add")
    scene.person.fill("Name", "Second shop")
    scene.person.press("Enter")
    scene.heading(re.compile("step 2 of 3"))
    with PracticeShop() as other:
        scene.person.fill(scene.page.locator("#endpoint"), other.url)
        scene.person.fill(scene.page.locator("#api_key"), other.key or "")
        scene.person.press("Enter")
        expect(scene.page).to_have_url(re.compile("/check"))
        scene.work()
        scene.heading(re.compile("step 3 of 3"))
        scene.person.button("Next")
        scene.heading("Sales channel integration")
        expect(scene.row("Second shop")).to_be_visible()
