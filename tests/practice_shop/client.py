"""A plain client for the tests of the practice shop: it follows nothing and hides nothing."""

import json

import requests


class Client:
    """Calls one shop's add-on with one key."""

    def __init__(self, shop, key: str | None = None):
        self.shop = shop
        self.key = shop.key if key is None else key
        self.session = requests.Session()
        self.session.trust_env = False

    def call(self, method: str, path: str, *, cnd=(), json_body=None, headers=None, **query) -> requests.Response:
        """One call; `cnd` are pairs such as ("limit][0", 5)."""
        pairs = [("target", "RESTAPI"), ("_key", self.key), ("_path", path), *query.items()]
        pairs += [(f"_cnd[{name}]", value) for name, value in cnd]
        headers = dict(headers or {})
        data = None
        if json_body is not None:
            data = json.dumps(json_body)
            headers.setdefault("Content-Type", "application/json")
        self.session.cookies.clear()
        return self.session.request(
            method, f"{self.shop.url}/admin.php", params=pairs, data=data, headers=headers, allow_redirects=False, timeout=10
        )

    def get(self, path: str, *, cnd=(), **query):
        """The JSON of a read, which has to succeed."""
        response = self.call("GET", path, cnd=cnd, **query)
        assert response.status_code == 200, response.text[:200]
        return response.json()

    def put(self, path: str, body, **more):
        response = self.call("PUT", path, json_body=body, **more)
        assert response.status_code == 200, response.text[:200]
        return response.json()

    def control(self, method: str, path: str, body=None) -> requests.Response:
        """One call of the shop's own steering."""
        return self.session.request(method, f"{self.shop.url}/_practice/{path}", json=body, timeout=10)


def page(offset: int, count: int, order_by: str = "o.order_id", direction: str = "ASC") -> list[tuple]:
    """Conditions for one page in an explicit order."""
    return [("orderBy][0", order_by), ("orderBy][1", direction), ("limit][0", offset), ("limit][1", count)]
