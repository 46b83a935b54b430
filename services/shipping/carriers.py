"""The table of carriers: their names, as people write them, and where a parcel is tracked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from errors import InvalidInput, NotFound
from extensions import db, writing
from models import Carrier
from services.common.text import one_line
from services.security import audit
from services.security.audit import About, record_change

SAVED = audit.kind("carrier.saved", "Carrier saved")
REMOVED = audit.kind("carrier.removed", "Carrier removed")
PLACE = "{number}"
MOST_NAME, MOST_URL, MOST_ALIASES, MOST = 100, 500, 20, 500


@dataclass(frozen=True, slots=True)
class Links:
    """Where parcels are tracked: ``urls`` by the key of a carrier's name. ``names`` are the carriers' own."""

    urls: dict[str, str]
    names: tuple[str, ...] = ()

    def link(self, carrier: str, tracking_number: str) -> str:
        """The web address that shows a parcel; empty if the carrier is not known, has none, or the parcel has no number."""
        url = self.urls.get(key_of(carrier), "")
        return url.replace(PLACE, quote(tracking_number, safe="")) if url and tracking_number else ""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the carriers by the keys of all names they go by."""

    by_key: dict[str, str]

    def name(self, written: str) -> str:
        """The carrier's own name where the list knows what is written; otherwise as it is written."""
        return self.by_key.get(key_of(written), written)


def key_of(name: str) -> str:
    """How names are compared: without regard to capital letters, hyphens, underscores, dots and blanks around them."""
    return " ".join(name.replace("-", " ").replace(".", " ").replace("_", " ").split()).casefold()


def list_carriers() -> list[Carrier]:
    """By name."""
    return list(db.session.scalars(select(Carrier).order_by(Carrier.name_key).limit(MOST)))


def get_carrier(carrier_id: int) -> Carrier:
    """Raises NotFound."""
    carrier = db.session.get(Carrier, carrier_id)
    if carrier is None:
        raise NotFound("There is no such carrier.")
    return carrier


def find_carrier(name: str) -> Carrier:
    """By its name or another name of it. Raises NotFound."""
    for carrier in list_carriers():
        if key_of(name) in _keys(carrier.name, carrier.aliases):
            return carrier
    raise NotFound(f"There is no carrier {name!r}.")


def read_links() -> Links:
    """A carrier's own name counts before another carrier's other name."""
    carriers = list_carriers()
    urls = {key_of(alias): carrier.tracking_url for carrier in carriers for alias in carrier.aliases}
    own = {key_of(carrier.name): carrier.tracking_url for carrier in carriers}
    return Links(urls | own, tuple(carrier.name for carrier in carriers))


def read_names() -> Names:
    """A carrier's own name counts before another carrier's other name."""
    carriers = list_carriers()
    names = {key_of(alias): carrier.name for carrier in carriers for alias in carrier.aliases}
    return Names(names | {key_of(carrier.name): carrier.name for carrier in carriers})


def save_carrier(carrier_id: int | None, name: str, aliases: Iterable[str], tracking_url: str, actor: str) -> int:
    """Add a carrier, or change the one with this id. Returns its id. Raises NotFound, or InvalidInput if a value cannot be used or another
    carrier has one of the names."""
    name = one_line(name, MOST_NAME, "name", "name")
    if not name:
        raise InvalidInput("Enter a name.", field="name")
    kept = _clean_aliases(name, aliases)
    url = _clean_url(tracking_url)
    try:
        with writing() as session:
            carrier = (
                Carrier(name="", name_key="", aliases=[], tracking_url="") if carrier_id is None else get_carrier(carrier_id)
            )
            _refuse_taken(carrier_id, [name, *kept])
            session.add(carrier)
            given = {"name": name, "aliases": kept, "tracking_url": url}
            changes = {field: (getattr(carrier, field), value) for field, value in given.items()}
            for field, value in given.items():
                setattr(carrier, field, value)
            carrier.name_key = key_of(name)
            if any(before != after for before, after in changes.values()):
                carrier.changed_by = actor
            session.flush()
            record_change(SAVED, About(carrier.id, name), changes, actor)
            return carrier.id
    except IntegrityError:
        raise _taken(name) from None  # somebody has just added it


def remove_carrier(carrier_id: int, actor: str) -> None:
    """Shipments keep their carrier, without a link. Raises NotFound."""
    with writing() as session:
        carrier = get_carrier(carrier_id)
        record_change(REMOVED, About(carrier.id, carrier.name), actor=actor)
        session.delete(carrier)


def version_of(carrier: Carrier) -> str:
    """A digest of what can be changed of a carrier."""
    said = json.dumps([carrier.id, carrier.name, carrier.aliases, carrier.tracking_url])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _keys(name: str, aliases: Sequence[str]) -> set[str]:
    return {key_of(each) for each in (name, *aliases)}


def _refuse_taken(carrier_id: int | None, names: Sequence[str]) -> None:
    """Raises InvalidInput if another carrier has one of the names, or if there are too many carriers."""
    others = [each for each in list_carriers() if each.id != carrier_id]
    if len(others) >= MOST:
        raise InvalidInput(f"There are {MOST} carriers already.", "Remove those that you do not use.", field="name")
    for other in others:
        for name in names:
            if key_of(name) in _keys(other.name, other.aliases):
                raise _taken(name, other.name)


def _taken(name: str, other: str = "") -> InvalidInput:
    whose = f" ({other})" if other and other != name else ""
    return InvalidInput(f"Another carrier has the name {name}{whose}.", "Change that one, or choose another name.", field="name")


def _clean_aliases(name: str, aliases: Iterable[str]) -> list[str]:
    """Raises InvalidInput."""
    found: dict[str, str] = {}
    for alias in aliases:
        alias = one_line(alias, MOST_NAME, "other name", "aliases")
        if alias and key_of(alias) != key_of(name):
            found.setdefault(key_of(alias), alias)
    if len(found) > MOST_ALIASES:
        raise InvalidInput(f"That are more than {MOST_ALIASES} other names.", field="aliases")
    return list(found.values())


def _clean_url(url: str) -> str:
    """Raises InvalidInput for what is no web address with a place for the number. It is never asked for by us."""
    url = url.strip()
    if not url:
        return ""
    advice = "For example https://carrier.example/track?number={number}"
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or len(url) > MOST_URL or not url.isprintable() or " " in url:
        raise InvalidInput("The tracking link has to be a web address.", advice, field="tracking_url")
    if PLACE not in url or PLACE in parts.netloc:
        raise InvalidInput(f"The tracking link needs {PLACE} where the tracking number goes.", advice, field="tracking_url")
    return url
