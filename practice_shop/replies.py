"""A reply of the shop, before the server sends it."""

import json
from dataclasses import dataclass, field


@dataclass(slots=True)
class Reply:
    """One answer. `headers` are added to those the server sets itself (Date, Connection, Content-Length).

    `sized` False means the answer carries no Content-Length and is sent in chunks, as PHP does for its pages.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    sized: bool = True


REASONS = {
    200: "OK", 201: "Created", 204: "No Content", 206: "Partial Content", 301: "Moved Permanently", 302: "Found",
    304: "Not Modified", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    406: "Not Acceptable", 415: "Unsupported Media Type", 500: "Internal Server Error", 502: "Bad Gateway",
    503: "Service Unavailable",
}  # fmt: skip


def php_json(value) -> bytes:
    """JSON as PHP prints it: no blanks, ASCII only, slashes escaped."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode("ascii")


def number(value: float | None):
    """A number as the shop prints it: 12, not 12.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def html_page(title: str, text: str, refresh: int | None = None) -> str:
    """A small page of the shop's own, for people and for clients that expected JSON."""
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">{again}\n<title>{title}</title>\n</head>\n'
        f"<body>\n<h1>{title}</h1>\n<p>{text}</p>\n</body>\n</html>\n"
    )


def _scripted(page: str) -> bytes:
    """X-Cart's error pages arrive inside a script that writes them."""
    text = json.dumps(page).replace("/", "\\/")
    return (
        f'<script>document.addEventListener("DOMContentLoaded", function(event) {{document.body.innerHTML={text};}});</script>'
    ).encode()


def error_page() -> Reply:
    """The 500 of a shop whose program failed, or whose database is away."""
    page = html_page("Error", "Something went wrong in this shop. Please come back later.")
    return Reply(500, _scripted(page), {"Content-Type": "text/html; charset=utf-8"}, sized=False)


def maintenance_page() -> Reply:
    """The 503 of a shop that is being redeployed: HTML, and no Retry-After."""
    page = html_page("Closed for maintenance", "This shop is putting changes in place. It opens again soon.", refresh=10)
    return Reply(503, _scripted(page), {"Content-Type": "text/html; charset=utf-8"}, sized=False)


def server_page(status: int) -> Reply:
    """A page of the web server in front of the shop: 404 for a wrong directory, 502 when PHP is away."""
    title = f"{status} {REASONS[status]}"
    body = f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n"
    return Reply(status, body.encode(), {"Content-Type": "text/html; charset=UTF-8"})


def firewall_page() -> Reply:
    """A web application firewall's refusal: a 403 with a page, unlike the shop's own empty one."""
    page = html_page("Access denied", "This request was blocked by the site's security rules. Reference 7f3a-11.")
    return Reply(403, page.encode(), {"Content-Type": "text/html; charset=UTF-8"})


def login_page(address: str) -> Reply:
    """Where the control panel sends everybody who has not signed in; here nobody can."""
    text = (
        f'A practice shop has no control panel. <a href="{address}">Its first page</a> shows its products and its newest orders.'
    )
    return Reply(200, html_page("Log in", text).encode(), {"Content-Type": "text/html; charset=UTF-8"})


def plain_site_page() -> Reply:
    """What a site answers that is no X-Cart at all."""
    page = html_page("Hello from my site", "Recipes, pictures of a cat, and no shop.")
    return Reply(200, page.encode(), {"Content-Type": "text/html; charset=UTF-8"})


def empty(status: int, **headers: str) -> Reply:
    """A status line and nothing else."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, b"", {"Content-Type": "text/html; charset=UTF-8", **named}, sized=False)


def redirect(status: int, location: str) -> Reply:
    return Reply(status, b"", {"Content-Type": "text/html; charset=UTF-8", "Location": location}, sized=False)
