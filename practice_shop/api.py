"""X-Cart 5.5's own API, under `/api/`, as observed: takes a request, gives a reply."""

import json
import re

from . import api_docs, api_entities, api_query, api_write, php
from .api_entities import TypedOutputCrash
from .api_query import BadRequest
from .pages import KeptPages, Page
from .replies import Reply, html_page, php_json
from .sessions import keep_session

TYPE = "https://tools.ietf.org/html/rfc2616#section-10"
MEDIA_TYPES = ("application/json", "application/ld+json", "text/html")
NO_ROUTE = {"title": "An error occurred", "detail": "Not found"}
SUPPORTED = ", ".join(f'"{name}"' for name in MEDIA_TYPES)
SUFFIX = r"(?:\.(?:json|jsonld))?"
# Path patterns, the verbs they know, and the method that answers each.
ROUTES = (
    (rf"/api/orders{SUFFIX}", {"GET": "list_orders"}),
    (rf"/api/orders/(\d+){SUFFIX}", {"GET": "get_order"}),
    (rf"/api/orders/by_number/(\w+){SUFFIX}", {"GET": "get_order_by_number"}),
    (rf"/api/orders/(\d+)/(shipping|payment)_status{SUFFIX}", {"GET": "get_status", "PUT": "put_status"}),
    (rf"/api/orders/(\d+)/payment_transactions{SUFFIX}", {"GET": "list_transactions"}),
    (rf"/api/orders/(\d+)/details{SUFFIX}", {"GET": "list_details"}),
    (rf"/api/orders/(\d+)/history{SUFFIX}", {"GET": "list_history"}),
    (rf"/api/carts{SUFFIX}", {"GET": "list_carts"}),
    (r"/api/products", {"GET": "list_products"}),
    (r"/api/products/([^/]+)", {"GET": "get_product", "PUT": "put_product", "DELETE": "delete_product"}),
)
VARIANT_ROUTES = (
    (rf"/api/products/(\d+)/variants{SUFFIX}", {"GET": "list_variants"}),
    (rf"/api/products/(\d+)/variants/(\d+){SUFFIX}", {"GET": "get_variant", "PUT": "put_variant"}),
)
NEWER_ROUTES = ((rf"/api/orders/(\d+)/tracking_numbers{SUFFIX}", {"GET": "list_tracking", "POST": "post_tracking"}),)
BROKEN_DOCS = re.compile(r"/api/(docs|docs\.json|docs\.jsonld|index\.json|index\.jsonld|contexts/\w+)")


class NotFound(Exception):
    """The item is not there: a 404 in problem JSON."""


class Refused(Exception):
    """Any other refusal, with its status and sentence."""

    def __init__(self, status: int, detail: str):
        super().__init__(detail)
        self.status = status


class Api:
    """One shop's API, over its store and its keys. A shop in a sub-folder hides its disabled products."""

    def __init__(self, store, keys, in_sub_folder: bool = False):
        self.store = store
        self.keys = keys
        self.in_sub_folder = in_sub_folder
        self.kept = KeptPages(store)

    def answer(self, request) -> Reply:
        """The reply to a request whose path begins with `/api`."""
        reply = self._answer(request)
        reply.headers.setdefault("Cache-Control", "no-cache, private")
        reply.headers["Link"] = f'<{self.store.url}/api/docs.jsonld>; rel="http://www.w3.org/ns/hydra/core#apiDocumentation"'
        return keep_session(self.store, request, reply)

    def _answer(self, request) -> Reply:
        path = request.path
        if path == "/api":
            return _html(html_page("X-Cart API", "The description of this API is at docs.html."))
        if path.endswith("/"):
            return self._without_slash(request)
        if request.method == "OPTIONS":
            wanted = request.headers.get("access-control-request-headers")
            return _html(f"Unauthorized header {wanted}") if wanted else _plain(200, NO_ROUTE)
        refusal = self._unknown_key(request)
        if refusal is not None:
            return refusal
        verb = "GET" if request.method == "HEAD" else request.method
        verbs, groups = self._route(path)
        if verb != "GET" and request.headers.get("x-auth-token") != self.keys.full:
            if verb in verbs:
                return self._problem(request, 403, "Access Denied.")
            return _plain(403, {"type": TYPE, "title": "An error occurred", "status": 403, "detail": "Forbidden"})
        if path == "/api/docs.html":
            return _html(api_docs.page(self.store.newer_api).decode())
        if BROKEN_DOCS.fullmatch(path) and verb == "GET":
            return self._documents(request)
        if verb not in verbs:
            return _plain(404, NO_ROUTE)
        return self._act(request, verbs[verb], groups)

    def _without_slash(self, request) -> Reply:
        query = f"?{request.query_string}" if request.query_string else ""
        target = f"{self.store.url}{request.path.rstrip('/')}{query}"
        page = html_page(f"Redirecting to {target}", "This has moved.")
        return Reply(301, page.encode(), {"Content-Type": "text/html; charset=utf-8", "Location": target})

    def _unknown_key(self, request) -> Reply | None:
        token = request.headers.get("x-auth-token")
        if token is None:
            bearer = request.headers.get("authorization", "").startswith("Bearer ")
            message = "Invalid JWT Token" if bearer else "JWT Token not found"
            reply = _plain(401, {"code": 401, "message": message})
            reply.headers["WWW-Authenticate"] = "Bearer"
            return reply
        if not token or token not in {self.keys.full, self.keys.read} - {None, ""}:
            return _plain(401, {"message": "Invalid credentials."})
        return None

    def _route(self, path: str) -> tuple[dict[str, str], tuple[str, ...]]:
        routes = ROUTES
        if self.store.has_variants_module:
            routes += VARIANT_ROUTES
        if self.store.newer_api:
            routes += NEWER_ROUTES
        for pattern, verbs in routes:
            found = re.fullmatch(pattern, path, re.ASCII)
            if found:
                return verbs, found.groups()
        return {}, ()

    def _act(self, request, name: str, groups: tuple[str, ...]) -> Reply:
        accepted = request.headers.get("accept", "*/*").partition(",")[0].partition(";")[0].strip()
        try:
            if accepted not in MEDIA_TYPES and "*" not in accepted:
                raise Refused(406, f'Requested format "{accepted}" is not supported. Supported MIME types are {SUPPORTED}.')
            if accepted == "text/html":
                return _html(api_docs.page(self.store.newer_api).decode())
            with self.store.lock:
                return getattr(self, name)(request, *groups)
        except NotFound:
            return self._problem(request, 404, "Not Found")
        except BadRequest as refusal:
            return self._problem(request, 400, str(refusal))
        except Refused as refusal:
            return self._problem(request, refusal.status, str(refusal))
        except TypedOutputCrash:
            return self._problem(request, 500, "Internal Server Error")

    def _documents(self, request) -> Reply:
        if self.store.newer_api and request.path in ("/api/docs", "/api/docs.json"):
            return self._ok(request, api_docs.specification(newer=True))
        return self._problem(request, 500, "Internal Server Error")

    # Orders

    def list_orders(self, request) -> Reply:
        return self._list(
            request,
            "orders",
            lambda: api_query.select_orders(self.store, request.query),
            lambda row: self.kept.row("order", row, lambda: api_entities.order(self.store, row)),
        )

    def get_order(self, request, order_id: str) -> Reply:
        return self._ok(request, api_entities.order(self.store, self._order(order_id)))

    def get_order_by_number(self, request, order_number: str) -> Reply:
        found = [order for order in self.store.orders.values() if order.number == order_number and not order.is_cart]
        if not found:
            raise NotFound
        if len(found) > 1:
            raise TypedOutputCrash
        return self._ok(request, api_entities.order(self.store, found[0]))

    def get_status(self, request, order_id: str, kind: str) -> Reply:
        order = self._order_on_path(order_id)
        return self._ok(request, self._status(order, kind))

    def put_status(self, request, order_id: str, kind: str) -> Reply:
        """Saved first, printed after: a status without a code, or a mail that fails, still answers 500."""
        order = self._order_on_path(order_id)
        if order.status_id(kind) is None:
            raise TypedOutputCrash
        status = api_write.status_meant(self.store, kind, _body(request))
        changed = self.store.apply_statuses(order, {kind: status.id}, author="API")
        if changed and self.store.mail_fails:
            raise TypedOutputCrash
        return self._ok(request, self._status(order, kind))

    def _status(self, order, kind: str) -> dict:
        row = api_entities.status(self.store.status(kind, order.status_id(kind)))
        if row is None:
            raise TypedOutputCrash
        return row

    def list_transactions(self, request, order_id: str) -> Reply:
        order = self.store.orders.get(php.digits(order_id))
        rows = [api_entities.transaction(row, order) for row in order.transactions] if order else []
        return self._rows(request, rows)

    def list_details(self, request, order_id: str) -> Reply:
        order = self.store.orders.get(php.digits(order_id))
        rows = [{"id": row.id, "name": row.name, "value": row.value} for row in order.details] if order else []
        return self._rows(request, rows)

    def list_history(self, request, order_id: str) -> Reply:
        order = self.store.orders.get(php.digits(order_id))
        events = [row for row in order.events if not row.code.startswith("EMAIL")] if order else []
        return self._rows(request, [api_entities.event(row) for row in events])

    def list_carts(self, request) -> Reply:
        return self._rows(request, [])

    def list_tracking(self, request, order_id: str) -> Reply:
        return self._rows(request, [api_entities.tracking(row) for row in self._order_on_path(order_id).trackings])

    def post_tracking(self, request, order_id: str) -> Reply:
        """Only in a shop newer than any that was observed: a guess, for clients that read the description first."""
        order = self._order_on_path(order_id)
        data = _body(request)
        if not isinstance(data, dict) or not isinstance(data.get("value"), str) or not data["value"]:
            raise BadRequest(api_write.MISFORMATTED)
        row = self.store.add_tracking(order, data["value"])
        return self._ok(request, api_entities.tracking(row), status=201)

    def _order(self, order_id: str):
        order = self.store.orders.get(php.digits(order_id))
        if order is None or order.is_cart:
            raise NotFound
        return order

    def _order_on_path(self, order_id: str):
        order = self.store.orders.get(php.digits(order_id))
        if order is None or order.is_cart:
            raise BadRequest(f"Order with ID {order_id} not found")
        return order

    # Products and variants

    def list_products(self, request) -> Reply:
        return self._list(
            request,
            "products",
            lambda: api_query.select_products(self.store, request.query, self.in_sub_folder),
            lambda row: self.kept.row("product", row, lambda: api_entities.product(self.store, row)),
        )

    def get_product(self, request, product_id: str) -> Reply:
        return self._ok(request, api_entities.product(self.store, self._product(product_id)))

    def put_product(self, request, product_id: str) -> Reply:
        product = self._product(product_id)
        data = _body(request)
        api_entities.product(self.store, product)
        api_write.change_product(self.store, product, data)
        return self._ok(request, api_entities.product(self.store, product))

    def delete_product(self, request, product_id: str) -> Reply:
        self.store.delete_product(self._product(product_id).id)
        return Reply(204)

    def _product(self, product_id: str):
        product = self.store.products.get(php.digits(product_id))
        if product is None or (self.in_sub_folder and not product.enabled):
            raise NotFound
        return product

    def list_variants(self, request, product_id: str) -> Reply:
        if php.digits(product_id) not in self.store.products:
            raise BadRequest(f"Product with ID {product_id} not found")
        offset, count = api_query.paging(request.query)
        found = self.store.variants_of.get(php.digits(product_id), [])[offset : offset + count]
        return self._rows(request, [api_entities.variant(self.store.variants[variant_id]) for variant_id in found])

    def get_variant(self, request, product_id: str, variant_id: str) -> Reply:
        return self._ok(request, api_entities.variant(self._variant(product_id, variant_id)))

    def put_variant(self, request, product_id: str, variant_id: str) -> Reply:
        variant = self._variant(product_id, variant_id)
        api_write.change_variant(self.store, variant, _body(request))
        return self._ok(request, api_entities.variant(variant))

    def _variant(self, product_id: str, variant_id: str):
        variant = self.store.variants.get(php.digits(variant_id))
        if variant is None or variant.product_id != php.digits(product_id):
            raise NotFound
        return variant

    # Answers

    def _list(self, request, kind: str, select, render) -> Reply:
        offset, count = api_query.paging(request.query)
        offset = max(offset + request.shift, 0)
        # A bound that means "now" finds something else a moment later, so its page is kept for one second only.
        moving = any(name.endswith("]") and value.strip() in ("", "now") for name, value in request.query)
        key = (kind, request.query_string, request.shift, self.store.now() if moving else 0)
        page = self.kept.page(key, lambda: select()[offset : offset + count], render)
        return self._sized(request, page)

    def _rows(self, request, rows: list) -> Reply:
        return self._sized(request, Page(php_json(rows), len(rows)))

    def _ok(self, request, row: dict, status: int = 200) -> Reply:
        return self._sized(request, Page(php_json(row), 1), status)

    def _sized(self, request, page: Page, status: int = 200) -> Reply:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Cache-Control": "max-age=0, must-revalidate, private",
        }
        if request.method == "GET":
            headers["ETag"] = f'"{page.etag}"'
        if "gzip" in request.headers.get("accept-encoding", "") and len(page.body) >= 20:
            headers["Content-Encoding"] = "gzip"
            return Reply(status, page.zipped(), headers, sized=False)
        return Reply(status, page.body, headers)

    def _problem(self, request, status: int, detail: str) -> Reply:
        if "ld+json" in request.headers.get("accept", ""):
            body = {"@context": "/api/contexts/Error", "@type": "hydra:Error", "hydra:title": "An error occurred"}
            return Reply(
                status, php_json({**body, "hydra:description": detail}), {"Content-Type": "application/ld+json; charset=utf-8"}
            )
        body = php_json({"type": TYPE, "title": "An error occurred", "detail": detail})
        return Reply(status, body, {"Content-Type": "application/problem+json; charset=utf-8"})


def _body(request):
    """The JSON of a write. Raises `Refused` or `BadRequest` as the framework does, before anything is looked at."""
    content_type = request.content_type
    if not content_type:
        raise Refused(415, 'The "Content-Type" header must exist.')
    if content_type not in MEDIA_TYPES:
        raise Refused(415, f'The content-type "{content_type}" is not supported. Supported MIME types are {SUPPORTED}.')
    try:
        return json.loads(request.body, parse_constant=php.no_number)
    except (ValueError, RecursionError):
        raise BadRequest("Syntax error") from None


def _plain(status: int, content: dict) -> Reply:
    return Reply(status, php_json(content), {"Content-Type": "application/json"})


def _html(text: str) -> Reply:
    return Reply(200, text.encode(), {"Content-Type": "text/html; charset=UTF-8"})
