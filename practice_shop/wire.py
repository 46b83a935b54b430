"""A request as the shop's program gets it from the server."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote


@dataclass(slots=True)
class Request:
    """`target` is the raw path and query, `path` the decoded path below the shop's own folder.

    `headers` have lower-case names. `cookies` are those sent, by name. `shift` is a
    fault: pages start that many rows late.
    """

    method: str
    target: str
    path: str
    query_string: str
    headers: dict[str, str]
    body: bytes
    cookies: dict[str, str] = field(default_factory=dict)
    shift: int = 0

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.query_string, keep_blank_values=True)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def read_request(method: str, target: str, headers: dict[str, str], body: bytes, base_path: str) -> Request:
    """Take a raw request apart. `base_path` is the folder the shop lives in; a path outside it keeps its form."""
    path, _, query_string = target.partition("?")
    path = unquote(path)
    if base_path and (path == base_path or path.startswith(base_path + "/")):
        path = path[len(base_path) :] or "/"
    elif base_path:
        path = "/../" + path.lstrip("/")
    cookies = {}
    for part in headers.get("cookie", "").split(";"):
        name, equals, value = part.strip().partition("=")
        if equals:
            cookies[name] = value
    return Request(method, target, path, query_string, headers, body, cookies)
