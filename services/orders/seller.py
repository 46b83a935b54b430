"""The seller's name, address and logo on printed documents. One for the installation."""

from __future__ import annotations

from sqlalchemy import select

from errors import InvalidInput, NotFound
from extensions import db, writing
from models import Seller
from models.seller import WITH_LOGO
from services.orders.images import Image
from services.security import audit
from services.security.audit import About, record_change

CHANGED = audit.kind("seller.changed", "Printed documents changed")
MOST = {"name": 200, "address": 1000, "footer": 1000}


def get_seller() -> Seller:
    """The stored one, or one that says nothing."""
    return db.session.get(Seller, 1) or Seller(id=1, name="", address="", footer="", logo_type="", logo_digest="")


def get_logo() -> Seller:
    """With its logo. Raises NotFound where there is none."""
    seller = db.session.scalar(select(Seller).where(Seller.id == 1, Seller.logo_digest != "").options(WITH_LOGO))
    if seller is None:
        raise NotFound("There is no logo.")
    return seller


def change_seller(texts: dict[str, str], actor: str, *, logo: Image | None = None, remove_logo: bool = False) -> None:
    """Save ``name``, ``address`` and ``footer``. A new logo replaces the old one; without one it stays unless it is removed.
    Raises InvalidInput."""
    given = {name: _clean(texts.get(name, "")) for name in MOST}
    for name, most in MOST.items():
        if len(given[name]) > most:
            raise InvalidInput(f"The {name} is longer than {most} characters.", field=name)
    with writing() as session:
        seller = session.get(Seller, 1, with_for_update=True)
        if seller is None:
            seller = Seller(id=1, name="", address="", footer="", logo_type="", logo_digest="")
        digest = logo.digest if logo is not None else "" if remove_logo else seller.logo_digest
        changes = {name: (getattr(seller, name), value) for name, value in given.items()} | {"logo": (seller.logo_digest, digest)}
        if all(before == after for before, after in changes.values()):
            return
        session.add(seller)
        record_change(CHANGED, About(1, given["name"]), changes, actor)
        for name, value in given.items():
            setattr(seller, name, value)
        if logo is not None:
            seller.logo, seller.logo_type, seller.logo_digest = logo.content, logo.mimetype, logo.digest
        elif remove_logo and seller.logo_digest:
            seller.logo, seller.logo_type, seller.logo_digest = None, "", ""
        seller.changed_by = actor


def _clean(text: str) -> str:
    """Without blanks at the ends of lines, and without empty lines around the text."""
    return "\n".join(line.strip() for line in text.strip().splitlines())
