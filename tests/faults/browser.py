"""The browser of a person who is signed in while a fleet is under faults."""

from __future__ import annotations

from collections.abc import Callable

import requests

from extensions import db
from services.accounts import sign_ins
from tests.faults.fleet import Fleet
from tests.support.signed_in import user_called

PAGES = ("/settings/sales-channels/", "/orders/", "/stock/", "/activity/")


class Browser:
    """A signed-in person's browser. ``complaints`` are pages that showed a fault of ours."""

    def __init__(self, fleet: Fleet):
        self.fleet = fleet
        self.complaints: list[str] = []
        self.may_be_away = False
        self.session = requests.Session()
        self.session.trust_env = False
        with fleet.app.test_request_context():
            try:
                token = sign_ins.begin_session(user_called("owner"), "127.0.0.1", "the fault suite")
            finally:
                db.session.remove()
            signer = fleet.app.session_interface.get_signing_serializer(fleet.app)
        self.session.cookies.set("cartlink", signer.dumps({"_user_id": token}), domain="127.0.0.1")

    def get(self, path: str) -> requests.Response | None:
        return self._note(path, lambda: self.session.get(self._address(path), timeout=20))

    def switch(self, integration_id: int, on: bool) -> None:
        """The switch in the list of integrations."""
        page = self.get(PAGES[0])
        if page is None or page.status_code != 200:
            return
        token = page.text.partition('name="csrf_token"')[2].partition('value="')[2].partition('"')[0]
        path = f"{PAGES[0]}{integration_id}/status"
        data = {"csrf_token": token, "enabled": "yes" if on else "no"}
        self._note(path, lambda: self.session.post(self._address(path), data=data, timeout=20))

    def _address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.fleet.port}{path}"

    def _note(self, path: str, ask: Callable[[], requests.Response]) -> requests.Response | None:
        try:
            answer = ask()
        except requests.RequestException as away:
            if not (self.may_be_away or self.fleet.database_trouble):
                self.complaints.append(f"{path}: {type(away).__name__}: {away}")
            return None
        if (
            answer.status_code >= 500
            and not self.fleet.database_trouble
            and not (answer.status_code == 503 and self.fleet.queue_trouble)
        ):
            self.complaints.append(f"{path} answered {answer.status_code}")
        return answer
