"""Several requests of one session at once, and no more in a minute than allowed."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from channels.answers import Answer
from channels.session import Call
from errors import (
    ShopBroken,
    SwitchedOff,
)
from tests.channels.scripted import QUICK, Exchange, ScriptedShop
from tests.channels.test_session import TARGET, open_session


class TestMany:
    def test_single_calls_go_two_at_a_time_and_come_back_in_their_order(self):
        busy: list[int] = []
        most = []

        def script(exchange: Exchange) -> None:
            busy.append(1)
            most.append(len(busy))
            time.sleep(0.02)
            busy.pop()
            exchange.json([exchange.target])

        with ScriptedShop(script) as shop:
            session = open_session(shop, replace(QUICK, connections=2))
            answers = list(session.many(Call("GET", f"/{place}") for place in range(20)))
            assert [json.loads(answer.body)[0] for answer in answers] == [f"/{place}" for place in range(20)]
            assert (session.requests, shop.connections, max(most)) == (20, 2, 2)

    def test_what_fails_is_a_value_and_stops_nothing(self):
        def script(exchange: Exchange) -> None:
            if exchange.target == "/1":
                exchange.connection.close()
            else:
                exchange.json([])

        with ScriptedShop(script) as shop:
            outcomes = list(open_session(shop).many(Call("PUT", f"/{place}", {}, {"a": 1}) for place in range(3)))
        assert [type(each) for each in outcomes] == [Answer, ShopBroken, Answer]

    def test_the_gate_is_asked_before_each_and_lets_nothing_more_out(self):
        def gate() -> None:
            if session.requests == 5:
                raise SwitchedOff("The integration was disabled.")

        with ScriptedShop(lambda exchange: exchange.json([])) as shop:
            session = open_session(shop, gate=gate)
            with pytest.raises(SwitchedOff):
                list(session.many(Call("GET", f"/{place}") for place in range(50)))
        # What was let out may have been broken off on its way.
        assert session.requests == 5 and len(shop.seen) <= 5


def test_no_more_requests_a_minute_than_allowed():
    with ScriptedShop(lambda exchange: exchange.json([])) as shop:
        session = open_session(shop, replace(QUICK, per_minute=120))
        begun = time.monotonic()
        for _ in range(122):
            session.read(TARGET)
        assert time.monotonic() - begun >= 0.5
