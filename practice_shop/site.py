"""What is at a practice shop's address: one generation of the API or both, and the pages around them."""

from dataclasses import dataclass

from .addon import Addon
from .api import Api
from .modes import Mode
from .replies import Reply, login_page, redirect, server_page


@dataclass
class Keys:
    """The shop's two keys; None for one that is not set."""

    full: str | None
    read: str | None


class Site:
    """One shop's programs over one store."""

    def __init__(self, store, mode: Mode, keys: Keys, generation: str, in_sub_folder: bool):
        self.store = store
        self.mode = mode
        self.addon = Addon(store, mode, keys) if generation in ("addon", "both") else None
        self.api = Api(store, keys, in_sub_folder) if generation in ("api", "both") else None

    def answer(self, request) -> Reply:
        """The reply to any request of a client."""
        reply = self.mode.answer(request)
        if reply is not None:
            return reply
        if request.path == f"/{self.mode.admin_script}":
            if "target=login" in (request.query_string or "").split("&"):
                return login_page(f"{self.store.url}/")
            return self.addon.answer(request) if self.addon else redirect(302, f"{self.mode.admin_script}?target=login")
        if self.api and (request.path == "/api" or request.path.startswith("/api/")):
            return self.api.answer(request)
        if request.path == "/cart.php":
            return self._storefront_redirect(request)
        return server_page(404)

    def _storefront_redirect(self, request) -> Reply:
        """The storefront knows no such target, and sends people to a clean address."""
        location = f"{self.store.url}/"
        if request.query_string:
            rest = [part for part in request.query_string.split("&") if not part.startswith("target=")]
            location += "?target=page_not_found&" + "&".join(rest).replace("/", "%2F")
        reply = redirect(301, location)
        reply.headers["X-Powered-By"] = "PHP/7.4.28"
        return reply
