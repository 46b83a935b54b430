"""States of a whole shop, such as closed for maintenance. Each changes the answer to every request."""

from dataclasses import asdict, dataclass, fields

from .addon_old import AGES
from .replies import Reply, error_page, firewall_page, maintenance_page, plain_site_page, redirect, server_page


@dataclass
class Mode:
    """Switches of one shop.

    `addon`: the REST API add-on is enabled. `maintenance`: being redeployed. `database_down`, `php_down`: as said.
    `plain_site`: no X-Cart here at all. `firewall`: something in front refuses. `canonical_host`: the host name
    the shop was configured with; other names make refused calls redirect, and good ones work (X-Cart 5.4, observed).
    `web_redirect`: an address without a slash at its end to which a web server in front sends every request, path and query
    kept, as for https or `www.`; the request does not reach the shop. `addon_age`: which add-on it is, "5.4",
    "5.3" (no JSON bodies) or "5.1" (no search conditions either, and quantities in an entity of their own). `admin_script`:
    the name of the admin script, which some shops change.
    """

    addon: bool = True
    maintenance: bool = False
    database_down: bool = False
    php_down: bool = False
    plain_site: bool = False
    firewall: bool = False
    canonical_host: str | None = None
    web_redirect: str | None = None
    addon_age: str = AGES[0]
    admin_script: str = "admin.php"

    def answer(self, request) -> Reply | None:
        """The answer this state gives to any request, or None when the shop is open."""
        if self.web_redirect is not None:
            return redirect(301, self.web_redirect + request.target)
        if self.plain_site:
            return plain_site_page()
        if self.firewall:
            return firewall_page()
        if self.php_down:
            return server_page(502)
        if not request.path.endswith(".php") and not request.path.startswith("/api"):
            return None
        reply = maintenance_page() if self.maintenance else error_page() if self.database_down else None
        if reply is not None:
            reply.headers["X-Powered-By"] = "PHP/7.4.28"
        return reply

    def set(self, **switches) -> None:
        """Set switches by name. Raises ValueError for one that does not exist or a value of the wrong kind."""
        known = {field.name for field in fields(self)}
        for name, value in switches.items():
            if name not in known:
                raise ValueError(f"There is no mode {name!r}. There are: {', '.join(sorted(known))}.")
            if name in ("canonical_host", "web_redirect"):
                if value is not None and not isinstance(value, str):
                    raise ValueError(f"{name} is {'a host name' if name == 'canonical_host' else 'an address'}, or null.")
            elif name == "addon_age":
                if value not in AGES:
                    raise ValueError(f"addon_age is one of {', '.join(AGES)}.")
            elif name == "admin_script":
                if not isinstance(value, str) or not value.endswith(".php"):
                    raise ValueError("admin_script is the name of a .php file.")
            elif not isinstance(value, bool):
                raise ValueError(f"{name} is true or false.")
            setattr(self, name, value)

    def as_dict(self) -> dict:
        return asdict(self)
