from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select

import jobs
from extensions import db, writing
from models import Draft, Integration
from models.types import utcnow
from practice_shop import PracticeShop
from services.common.claims import Claim
from services.common.heartbeat import Heartbeat
from services.onboarding import drafts as connection_drafts
from services.onboarding.drafts import begin_check
from services.security import vault
from tests.blueprints.pages import complaints, element, elements, enter_presses, form_data, htmx, words
from tests.blueprints.queues import work_off
from tests.blueprints.rows import add_integration
from tests.blueprints.walks import ADD, LIST, begin, give_shop, to_options
from tests.support.signed_in import FreshClient, sign_in


def drafts() -> list[Draft]:
    db.session.rollback()
    return list(db.session.scalars(select(Draft)))


def the_integration() -> Integration:
    db.session.rollback()
    return db.session.scalars(select(Integration)).one()


class TestTheCatalogue:
    def test_it_offers_x_cart_with_an_add_button(self, client: FreshClient) -> None:
        page = client.get(ADD).text
        assert "X-Cart" in [words(head.text) for head in elements(page, "h2")]
        assert [words(button.text) for button in elements(page, "button")].count("Add") == 1
        assert client.get(f"{ADD}/xcart").status_code == 200

    def test_a_kind_that_does_not_exist(self, client: FreshClient) -> None:
        assert client.get(f"{ADD}/nonsense").status_code == 404

    def test_a_set_up_left_alone_can_be_gone_on_with_or_discarded(self, client: FreshClient) -> None:
        step = begin(client)
        for place in (ADD, LIST):
            assert element(client.get(place).text, "a", href=step)
        discard = next(form for form in elements(client.get(ADD).text, "form") if form["action"].endswith("/cancel"))
        assert client.post(discard["action"]).location == LIST
        assert drafts() == []


class TestTheName:
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("", "Enter a name for this integration."),
            ("   ", "Enter a name for this integration."),
            ("x" * 101, "The name is too long: 101 characters, at most 100."),
            ("gärden SHOP", "There is an integration called 'gärden SHOP' already. Choose another name."),
            ("a\x07b", "The name holds characters that cannot be shown. Type it again."),
        ],
    )
    def test_one_that_cannot_be_used_is_kept_and_explained(self, client: FreshClient, name: str, said: str) -> None:
        add_integration("Gärden Shop")
        answer = client.post(f"{ADD}/xcart", data={"name": name})
        assert answer.status_code == 422
        assert complaints(answer.text) == [said]
        field = element(answer.text, "input", name="name")
        assert field["value"] == name.replace("\x07", "\ufffd")
        assert field["aria-invalid"] == "true"
        assert element(answer.text, id=field["aria-describedby"].split()[-1]).text == said
        assert drafts() == []

    def test_back_shows_it_again_and_changes_it(self, client: FreshClient) -> None:
        step = begin(client, "First name")
        back = next(link["href"] for link in elements(client.get(step).text, "a") if words(link.text) == "Back")
        assert element(client.get(back).text, "input", name="name")["value"] == "First name"
        assert client.post(back, data={"name": "Второе имя 店"}).location == step
        assert "Второе имя 店" in client.get(ADD).text


class TestTheShop:
    @pytest.mark.parametrize(
        ("pasted", "understood"),
        [
            ("shop.example", "https://shop.example"),
            ("https://shop.example/admin.php?target=main", "https://shop.example"),
            (" http://shop.example/store/cart.php ", "http://shop.example/store"),
            ("HTTPS://Shop.Example/", "https://shop.example"),
        ],
    )
    def test_what_is_made_of_the_address_is_shown(self, client: FreshClient, pasted: str, understood: str) -> None:
        step = begin(client)
        part = client.post(step.replace("/shop", "/address"), data={"endpoint": pasted}, headers=htmx("address")).text
        assert words(element(part, "strong").text) == understood
        assert f"{understood}/admin.php" in [link["href"] for link in elements(part, "a")]
        assert ("unencrypted" in part) == understood.startswith("http:")

    def test_the_help_names_both_generations_until_one_is_known(self, client: FreshClient, practice: PracticeShop) -> None:
        step = begin(client)
        both = client.get(step).text
        assert "X-Cart 5.0 to 5.4" in both
        assert "X-Cart 5.5 and later" in both
        failed = client.get(give_shop(client, step, practice.url, "wrong-key-of-some-length")).text
        assert "My addons" in failed
        assert "X-Cart 5.5 and later" not in failed
        assert "API key (read/write)" in complaints(failed)[0]
        address = step.replace("/shop", "/address")
        again = client.post(address, data={"endpoint": f"{practice.url}/admin.php"}, headers=htmx("address")).text
        assert "X-Cart 5.5 and later" not in again
        other = client.post(address, data={"endpoint": "https://other.example"}, headers=htmx("address")).text
        assert "X-Cart 5.5 and later" in other

    def test_the_help_of_a_newer_shop(self, client: FreshClient) -> None:
        with PracticeShop(orders=3, generation="api") as shop:
            failed = client.get(give_shop(client, begin(client), shop.url, "wrong-key-of-some-length")).text
        assert "Choose ‘Settings’, then ‘API’." in failed
        assert "My addons" not in failed
        assert complaints(failed)[0].endswith("Copy the read/write key from ‘Settings’, ‘API’ in your shop and paste it here.")
        assert "API key (read/write)" not in failed

    @pytest.mark.parametrize(
        ("endpoint", "key", "said"),
        [
            ("", "key", "Enter the address of your shop."),
            ("not a shop at all!", "key", "That is no web address. Enter the shop's address, for example https://shop.example."),
            ("ftp://shop.example", "key", "The website end point has to begin with https:// or http://."),
            ("shop.example", "", "Enter the API key. The steps next to the field show where to find it."),
        ],
    )
    def test_what_cannot_be_used_is_explained_and_kept(self, client: FreshClient, endpoint: str, key: str, said: str) -> None:
        step = begin(client)
        sent = form_data(client.get(step).text, "endpoint", endpoint=endpoint, api_key=key, use_tax="yes", surcharge_name="Porto")
        answer = client.post(step, data=sent)
        assert answer.status_code == 422
        assert complaints(answer.text) == [said]
        assert element(answer.text, "input", name="endpoint")["value"] == endpoint
        assert element(answer.text, "input", name="surcharge_name")["value"] == "Porto"
        assert element(answer.text, "input", name="use_tax", value="yes", checked="")
        assert jobs.queue("checks").is_empty()

    def test_all_that_is_missing_is_named_at_once(self, client: FreshClient) -> None:
        step = begin(client)
        page = client.get(step).text
        assert complaints(client.post(step, data=form_data(page, "endpoint")).text) == [
            "Enter the address of your shop.", "Enter the API key. The steps next to the field show where to find it.",
        ]  # fmt: skip

    def test_a_key_once_typed_need_not_be_typed_again_and_is_never_shown(
        self, client: FreshClient, practice: PracticeShop, app: Flask
    ) -> None:
        key = practice.key or ""
        step = begin(client)
        client.post(step, data=form_data(client.get(step).text, "endpoint", endpoint="???", api_key=key))
        page = client.get(step).text
        assert element(page, "input", name="api_key").get("value") in (None, "")
        assert f"ending in ‘{key[-4:]}’" in page
        options = give_shop(client, step, practice.url, "")
        assert options.endswith("/options")
        draft = drafts()[0]
        for place in (step, options, ADD, LIST):
            assert key not in client.get(place).text
        assert key.encode() not in draft.answers_encrypted
        assert key not in str([vars(cookie) for cookie in client._cookies.values()])
        assert key in vault.decrypt(draft.answers_encrypted)

    @pytest.mark.parametrize(
        ("trouble", "said"),
        [
            ("wrong key", "does not accept the API key"),
            ("read-only key", "may read but not write"),
            ("add-on off", "My addons"),
            ("plain site", "not as"),
            ("maintenance", "is closed for maintenance. Try again when the shop is back."),
            ("firewall", "let Cartlink's requests through"),
            ("stopped", "refuses connections"),
        ],
    )
    def test_each_cause_of_failure_has_its_own_sentence(
        self, client: FreshClient, practice: PracticeShop, trouble: str, said: str
    ) -> None:
        key = {"wrong key": "wrong-key-of-some-length", "read-only key": practice.read_key}.get(trouble, practice.key) or ""
        practice.mode.set(
            addon=trouble != "add-on off", plain_site=trouble == "plain site", maintenance=trouble == "maintenance",
            firewall=trouble == "firewall",
        )  # fmt: skip
        url = practice.url
        if trouble == "stopped":
            practice.stop()
        step = begin(client)
        assert give_shop(client, step, url, key, use_tax="yes") == step
        page = client.get(step).text
        sentences = complaints(page)
        assert len(sentences) == 1
        assert said in sentences[0]
        assert element(page, "input", name="endpoint")["value"] == url
        assert element(page, "input", name="use_tax", value="yes", checked="")
        wrong = "api_key" if "key" in trouble else "endpoint"
        assert element(page, "input", name=wrong)["aria-invalid"] == "true"

    def test_a_shop_that_moved_is_offered_at_its_new_address(self, client: FreshClient, practice: PracticeShop) -> None:
        step = begin(client)
        step = give_shop(client, step, f"{practice.url}/no-such-folder", practice.key or "")
        page = client.get(step).text
        button = element(page, "button", name="use")
        assert words(button.text) == f"Use {practice.url}"
        assert [enter_presses(page, field).text for field in ("endpoint", "api_key", "surcharge_name")] == ["Next"] * 3
        answer = client.post(step, data=form_data(page, "endpoint", use="moved_to"))
        assert answer.status_code == 303
        work_off("checks")
        assert client.get(answer.location).location.endswith("/options")

    def test_the_last_step_does_not_repeat_what_the_step_before_has_said_of_the_address(
        self, client: FreshClient, practice: PracticeShop
    ) -> None:
        said = [each for each in elements(client.get(to_options(client, practice)).text, "p") if "unencrypted" in each.text]
        assert [each["class"] for each in said] == ["callout note-warn no-js"], "it is for those who did not see it"

    def test_without_a_queue_nothing_typed_is_lost(
        self, client: FreshClient, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        step = begin(client)
        monkeypatch.setitem(app.extensions, "cartlink.redis", Redis.from_url("unix:///nowhere/at-all"))
        answer = client.post(step, data=form_data(client.get(step).text, "endpoint", endpoint="shop.example", api_key="k" * 20))
        assert answer.status_code == 422
        assert "queue does not answer" in complaints(answer.text)[0]
        assert element(client.get(step).text, "input", name="endpoint")["value"] == "shop.example"


class TestTheWait:
    def ask(self, client: FreshClient, practice: PracticeShop) -> str:
        step = begin(client)
        sent = form_data(client.get(step).text, "endpoint", endpoint=practice.url, api_key=practice.key)
        return client.post(step, data=sent).location

    def test_the_fragment_asks_again_and_leads_on_when_the_shop_has_answered(
        self, client: FreshClient, practice: PracticeShop
    ) -> None:
        place = self.ask(client, practice)
        part = client.get(place, headers=htmx("check"))
        assert element(part.text, id="check")["hx-trigger"].startswith("every")
        assert "Waiting for a worker" in part.text
        assert '<noscript><meta http-equiv="refresh"' in client.get(place).text
        work_off("checks")
        part = client.get(place, headers=htmx("check"))
        assert part.status_code == 200
        assert part.headers["HX-Redirect"].endswith("/options")
        assert client.get(place).location.endswith("/options")

    def test_after_a_while_it_says_that_nobody_works(self, client: FreshClient, practice: PracticeShop) -> None:
        place = self.ask(client, practice)
        with writing() as session:
            session.scalars(select(Draft)).one().lease_until = utcnow() - timedelta(minutes=5)
        page = client.get(place).text
        assert "The test has not finished" in page
        assert 'http-equiv="refresh"' not in page
        assert element(page, id="check").get("hx-trigger") is None

    def test_a_worker_that_falls_silent_is_noticed(self, client: FreshClient, practice: PracticeShop) -> None:
        place = self.ask(client, practice)
        draft = drafts()[0]
        assert begin_check(draft.id, draft.check_ticket)
        assert "Testing the connection" in client.get(place).text
        with writing() as session:
            session.scalars(select(Draft)).one().lease_until = utcnow() - timedelta(seconds=1)
        assert "Its worker has stopped." in client.get(place).text

    def test_a_worker_that_waits_for_a_slow_shop_is_not_silent(
        self, client: FreshClient, practice: PracticeShop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.ask(client, practice)
        heard: list[int] = []
        hold = Claim.hold
        monkeypatch.setattr(connection_drafts, "PATIENCE", 10)
        monkeypatch.setattr(Claim, "kept_alive", lambda claim: Heartbeat(0.05, partial(beat, claim), "test"))

        def beat(claim: Claim) -> None:
            with writing():
                hold(claim)
            heard.append(1)

        practice.faults.add("latency_ms", 300, times=1)
        work_off("checks")
        assert heard
        assert drafts()[0].lease_until > utcnow()

    def test_an_answer_to_what_was_typed_before_does_not_count(self, client: FreshClient, practice: PracticeShop) -> None:
        place = self.ask(client, practice)
        step = place.replace("/check", "/shop")
        client.post(step, data=form_data(client.get(step).text, "endpoint", api_key="another-key-entirely"))
        assert work_off("checks") == 2
        assert client.get(place).location == step
        assert "does not accept the API key" in complaints(client.get(step).text)[0]


class TestWhoseDraft:
    def test_somebody_elses_is_not_shown(self, client: FreshClient, app: Flask) -> None:
        step = begin(client)
        other = app.test_client()
        sign_in(other, "somebody")
        assert other.get(step).location == LIST
        assert other.post(step.replace("/shop", "/cancel")).status_code == 303
        assert len(drafts()) == 1

    def test_after_a_day_it_is_gone(self, client: FreshClient) -> None:
        step = begin(client)
        with writing() as session:
            session.scalars(select(Draft)).one().expires_at = utcnow() - timedelta(seconds=1)
        assert client.get(step).location == LIST
        begin(client, "Another")
        assert len(drafts()) == 1


def test_an_expired_page_shows_what_was_typed_once_more(client: FreshClient, app: Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    answer = client.post(f"{ADD}/xcart", data={"name": "Garden shop", "csrf_token": "stale"})
    assert answer.status_code == 422
    assert complaints(answer.text) == ["The page was open for too long. Press the button again."]
    field = form_data(answer.text, "name")
    assert field["name"] == ["Garden shop"]
    assert drafts() == []
    assert client.post(f"{ADD}/xcart", data=field).status_code == 303


class TestASlowShop:
    @pytest.mark.deep
    @pytest.mark.timeout(900)
    @pytest.mark.parametrize("generation", ["addon", "api"])
    def test_whose_every_answer_takes_nine_seconds_is_connected(self, client: FreshClient, generation: str) -> None:
        with PracticeShop(products=3, orders=3, generation=generation, page_latency=9000) as shop:
            step = to_options(client, shop)
            page = client.get(step).text
            assert "An answer takes 9 seconds" in page
            client.post(step, data=form_data(page, "with_variants"))
            assert the_integration().generation == generation
