"""X-Cart 5.4 with the REST API add-on: `admin.php?target=RESTAPI`, as observed.

Takes a request, gives a reply; knows nothing of sockets, faults or modes.
"""

import gzip
import hashlib
import json
from email.utils import parsedate_to_datetime
from time import gmtime, strftime

from . import addon_entities, addon_old, addon_query, addon_single, addon_write, php
from .addon_complex import BrokenOrder
from .addon_pages import AddonPages
from .replies import Reply, empty, error_page, php_json, redirect
from .sessions import keep_session

RESERVED = frozenset({"target", "action", "_key", "_path", "_method", "callback", "_schema", "_cnd"})
PATHS = {
    "product": "product",
    "order": "order",
    "orderitem": "item",
    "ordertrackingnumber": "tracking",
    "order-status-payment": "payment-status",
    "order-status-shipping": "shipping-status",
    "xc-productvariants-productvariant": "variant",
}
# Other things of the shop that no program downloads: these answer by id only, or with an empty list.
SINGLE_PATHS = ("order-surcharge", "payment-transaction", "orderhistoryevents", "producttranslation", "currency")
EMPTY_PATHS = ("productclass", "taxclass", "coupon")
REFUSED_INPUT = "Input data is incorrect"


class BadInput(Exception):
    """The body is not JSON, or is empty JSON: refused before the key is looked at."""


class Addon:
    """One shop's add-on, over its store, its modes and its keys."""

    def __init__(self, store, mode, keys):
        self.store = store
        self.mode = mode
        self.keys = keys
        self.pages = AddonPages(store)

    def answer(self, request) -> Reply:
        """The reply to a request for `admin.php`."""
        query = php.parse(request.query_string)
        if query.get("target") != "RESTAPI" or not self.mode.addon:
            return self._php(redirect(302, f"{self.mode.admin_script}?target=login"))
        verb = self._verb(request, query)
        try:
            body = self._body(request, verb)
        except BadInput:
            return self._php(empty(400, X_REST_Error=REFUSED_INPUT))
        except addon_query.ProgramFailed:
            return self._php(error_page())
        parameters = {**request.cookies, **query, **body}
        reply = self._refuse(parameters, verb) or self._run(request, query, parameters, verb, body)
        if reply.status in (403, 404) and self._foreign_host(request):
            reply = redirect(302, f"http://{self.mode.canonical_host}/{self.mode.admin_script}?target=RESTAPI")
        return self._php(keep_session(self.store, request, reply))

    def _foreign_host(self, request) -> bool:
        return self.mode.canonical_host is not None and request.headers.get("host") != self.mode.canonical_host

    @staticmethod
    def _php(reply: Reply) -> Reply:
        reply.headers.setdefault("X-Powered-By", "PHP/7.4.28")
        return reply

    @staticmethod
    def _verb(request, query: dict) -> str:
        named = query.get("_method") or request.headers.get("x-http-method-override") or request.method
        if request.content_type == "application/x-www-form-urlencoded" and "_method" not in query:
            named = php.parse(request.body.decode("utf-8", "replace")).get("_method", named)
        verb = str(named).upper()
        return verb if verb in ("POST", "PUT", "DELETE") else "GET"

    def _body(self, request, verb: str) -> dict:
        """The body's variables. Only the two content types PHP and the add-on know are read at all."""
        text = request.body.decode("utf-8", "replace")
        if request.content_type == "application/x-www-form-urlencoded":
            return php.parse(text)
        if request.content_type != "application/json" or verb == "GET" or not text:
            return {}
        if not addon_old.reads_json(self.mode.addon_age):
            return {}
        try:
            data = json.loads(text, parse_constant=php.no_number)
        except (ValueError, RecursionError):
            raise BadInput from None
        if not php.to_bool(data):
            raise BadInput
        if isinstance(data, list):
            return {str(index): row for index, row in enumerate(data)}
        if not isinstance(data, dict):
            raise addon_query.ProgramFailed("the body is a scalar")
        return data

    def _refuse(self, parameters: dict, verb: str) -> Reply | None:
        given = parameters.get("_key")
        one_key = verb != "GET" or addon_old.is_oldest(self.mode.addon_age)
        known = {self.keys.full} if one_key else {self.keys.full, self.keys.read}
        if not isinstance(given, str) or not given or given not in known - {None, ""}:
            return empty(403)
        return None

    def _run(self, request, query: dict, parameters: dict, verb: str, body: dict) -> Reply:
        oldest = addon_old.is_oldest(self.mode.addon_age)
        schema = "default" if oldest else parameters.get("_schema", "default")
        if schema not in ("default", "complex"):
            return empty(404)
        if schema == "complex" and verb != "GET":
            return empty(403)
        name, slash, identifier = str(parameters.get("_path", "")).partition("/")
        name = name.lower()
        kind = PATHS.get(name)
        if kind == "variant" and not self.store.has_variants_module:
            kind = None
        if schema == "complex" and kind not in ("product", "order"):
            return error_page() if name else empty(404)
        try:
            with self.store.lock:
                if kind is None:
                    return self._other(request, name, slash, identifier)
                if verb == "GET":
                    return self._read(request, query, kind, schema, slash, identifier)
                return self._write(request, verb, kind, slash, identifier, self._data(parameters))
        except addon_query.QueryFailed as failure:
            reply = self._json(request, b"[]", 0, status=400)
            reply.headers["X-REST-Error"] = str(failure)
            return reply
        except (addon_query.ProgramFailed, BrokenOrder):
            return error_page()

    # Reading

    def _read(self, request, query: dict, kind: str, schema: str, slash: str, identifier: str) -> Reply:
        oldest = addon_old.is_oldest(self.mode.addon_age)
        if not slash and oldest and kind == "product":
            columns = [addon_entities.product_columns(row) for row in addon_query.table(self.store, kind)]
            rows = [addon_old.nest_inventory(row, single=False) for row in columns]
            return self._json(request, php_json(rows), len(rows))
        if not slash:
            page = self.pages.get(kind, schema, None if oldest else query.get("_cnd"), request.shift)
            return self._json(request, page.body, page.count, page=page)
        row = self._find(kind, identifier)
        return self._entity(request, None if row is None else self._single(kind, schema, row))

    def _single(self, kind: str, schema: str, row) -> dict:
        shown = self.pages.single(kind, schema, row)
        if kind == "product" and addon_old.is_oldest(self.mode.addon_age):
            return addon_old.nest_inventory(shown, single=True)
        return shown

    def _find(self, kind: str, identifier: str):
        row_id = php.digits(identifier)
        return None if row_id is None else addon_query.find(self.store, kind, row_id)

    def _other(self, request, name: str, slash: str, identifier: str) -> Reply:
        if name in EMPTY_PATHS:
            return self._entity(request, None) if slash else self._json(request, b"[]", 0)
        if name not in SINGLE_PATHS:
            return empty(404)
        if not slash:
            return self._json(request, b"[]", 0)
        return self._entity(request, self._single_of(name, php.to_int(identifier)))

    def _single_of(self, name: str, wanted: int) -> dict | None:
        store = self.store
        if name == "producttranslation":
            product = store.products.get(wanted)
            if product is None:
                return None
            return addon_entities.translation_columns(product) | {"owner": addon_entities.product_columns(product)}
        if name == "currency":
            row = addon_entities.currency_columns(store.currency)
            return row if row["currency_id"] == wanted else None
        attribute, render = {
            "order-surcharge": ("surcharges", addon_single.surcharge),
            "payment-transaction": ("transactions", addon_single.transaction),
            "orderhistoryevents": ("events", addon_single.event),
        }[name]
        for order in store.orders.values():
            for row in getattr(order, attribute):
                if row.id == wanted:
                    return render(row, order)
        return None

    # Writing

    @staticmethod
    def _data(parameters: dict) -> dict:
        data = {name: value for name, value in parameters.items() if name not in RESERVED}
        model = data.get("model")
        if isinstance(model, (dict, list)) and model:
            return model if isinstance(model, dict) else {str(index): row for index, row in enumerate(model)}
        return data

    def _write(self, request, verb: str, kind: str, slash: str, identifier: str, data: dict) -> Reply:
        if verb == "DELETE":
            return self._delete(request, kind, slash, identifier)
        if not slash:
            return self._write_many(request, verb, kind, data)
        if kind == "product" and addon_old.is_oldest(self.mode.addon_age):
            data = addon_old.unnest_inventory(data)
        row = self._find(kind, identifier) if verb == "PUT" else addon_write.create(self.store, kind, data)
        if row is None:
            return self._entity(request, None)
        shown = addon_write.change(self.store, kind, row, data) if verb == "PUT" else {}
        if kind == "product" and verb == "POST":
            return self._entity(request, addon_single.created_product(self.store, row))
        return self._entity(request, _as_shown(self._single(kind, "default", row), shown))

    def _write_many(self, request, verb: str, kind: str, data: dict) -> Reply:
        """Rows the shop does not know are dropped; gaps in the numbering turn the answer into an object."""
        if any(not isinstance(row, dict) for row in data.values()):
            raise addon_query.ProgramFailed("a row is not an array")
        changed = {}
        for index, row in data.items():
            key = str(row.get(addon_write.key_of(kind), ""))
            entity = self._find(kind, key) if verb == "PUT" else addon_write.create(self.store, kind, row)
            if entity is None:
                continue
            if verb == "PUT":
                addon_write.change(self.store, kind, entity, row)
            changed[index] = entity
        rows = {index: json.loads(self.pages.row(kind, "default", entity)) for index, entity in changed.items()}
        is_list = list(rows) == [str(index) for index in range(len(rows))]
        return self._json(request, php_json(list(rows.values()) if is_list else rows), len(rows))

    def _delete(self, request, kind: str, slash: str, identifier: str) -> Reply:
        if not slash:
            rows = addon_query.table(self.store, kind)
            for row in rows:
                addon_write.delete(self.store, kind, row)
            return self._json(request, php_json(len(rows)), 1)
        row = self._find(kind, identifier)
        if row is None:
            return self._entity(request, None)
        addon_write.delete(self.store, kind, row)
        return self._json(request, b"true", 1)

    # Answers

    def _entity(self, request, row: dict | None) -> Reply:
        return self._json(request, php_json(row), 1)

    def _json(self, request, body: bytes, count: int, status: int = 200, page=None) -> Reply:
        etag = page.etag if page is not None else hashlib.md5(body, usedforsecurity=False).hexdigest()
        now = gmtime(self.store.now())
        headers = {
            "Content-Type": "application/json;charset=utf-8",
            "Allow": "GET,POST,PUT,DELETE",
            "X-Result-Count": str(count),
            "Last-Modified": strftime("%a, %d %b %Y %H:%M:%S +0000", now),
            "ETag": etag,
        }
        if status == 200 and (request.headers.get("if-none-match") == etag or self._is_newer(request)):
            del headers["Content-Type"]
            return Reply(304, b"", headers)
        if status == 200 and request.headers.get("range", "").startswith("bytes="):
            body = body[:1]
            headers["ETag"] = hashlib.md5(body, usedforsecurity=False).hexdigest()
            return Reply(206, body, headers)
        if "gzip" in request.headers.get("accept-encoding", "") and len(body) >= 20:
            del headers["ETag"]
            headers["Content-Encoding"] = "gzip"
            body = page.zipped() if page is not None else gzip.compress(body, 1, mtime=0)
            return Reply(status, body, headers, sized=False)
        return Reply(status, body, headers)

    def _is_newer(self, request) -> bool:
        """`If-Modified-Since` is held against now, so only a time to come is not modified."""
        try:
            since = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
        except (TypeError, ValueError):
            return False
        return since.timestamp() > self.store.now()


def _as_shown(row: dict, shown: dict) -> dict:
    for name, value in shown.items():
        row[name] = {**row[name], **value} if isinstance(value, dict) else value
    return row
