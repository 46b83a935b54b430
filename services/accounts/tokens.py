"""API tokens: created, shown once, found again with each request, rotated, revoked.

A token is ``ctl_<id>_<secret><checksum>``. Only its SHA-256 is stored, so a reader of the database cannot use it. The checksum lets
scanners tell a real token from something that looks like one, and spares the database what cannot be one. A token acts for a user: it
may do what its scopes name and the user's present role allows.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
import string
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from errors import AppError, Conflict, InvalidInput, NameTaken, NotFound
from extensions import db, writing
from models import ApiToken, User
from models.types import utcnow
from models.user import ROLES
from services.accounts import token_expiry, users
from services.common.client_networks import client_address
from services.notify import notifications
from services.security import audit
from services.security.audit import CHANGED, About, record_change

CREATED = audit.kind("api_token.created", "API token created")
ROTATED = audit.kind("api_token.rotated", "API token rotated")
REVOKED = audit.kind("api_token.revoked", "API token revoked")


@dataclass(frozen=True, slots=True)
class Scope:
    """``role`` is the least role whose tokens the scope is good for."""

    role: str
    sentence: str


SCOPES = {
    "integrations:read": Scope("viewer", "Read integrations and their health"),
    "integrations:write": Scope("manager", "Enable, disable, connect, set up and remove integrations"),
    "orders:read": Scope("viewer", "Read orders without customers’ data"),
    "customers:read": Scope("viewer", "Read customers’ names, addresses and notes of orders"),
    "orders:write": Scope("manager", "Check orders again, cancel them, and mark cancellations as seen"),
    "shipments:write": Scope("manager", "Ship orders"),
    "stock:read": Scope("viewer", "Read stock items and their stock history"),
    "stock:write": Scope("manager", "Change stock items"),
    "listings:read": Scope("viewer", "Read listings and links"),
    "listings:write": Scope("manager", "Link listings to stock items"),
    "feeds:read": Scope("viewer", "Read suppliers, their feeds and their offers"),
    "feeds:write": Scope("manager", "Add, change, fetch and remove suppliers and feeds, and link their codes"),
    "approvals:write": Scope(
        "manager",
        "Decide what needs approval: stock updates, files, missing listings, quantities changed in a shop, renamed SKUs",
    ),
    "runs:read": Scope("viewer", "Read sync runs and their results"),
    "runs:write": Scope("manager", "Start and stop sync runs"),
    "incidents:read": Scope("viewer", "Read incidents"),
    "reports:read": Scope("viewer", "Read reports"),
    "events:read": Scope("viewer", "Read events, event endpoints and their deliveries"),
    "event-endpoints:write": Scope("owner", "Add, change, test and remove event endpoints"),
}
PATTERN = re.compile(r"ctl_([A-Za-z0-9]{12})_([A-Za-z0-9]{32})([A-Za-z0-9]{6})", re.ASCII)
SIGNS = string.digits + string.ascii_uppercase + string.ascii_lowercase
DAYS, MOST_DAYS = 90, 365
OVERLAP_HOURS, MOST_OVERLAP_HOURS = 24, 7 * 24
MOST_ADDRESSES = 20
MOST_TOKENS = 50
"""Valid tokens of one user: each may send a number of requests in a minute."""
NOTED_EVERY = timedelta(minutes=1)
"""How exactly the last use is noted: most requests cost no write."""


class TokenRefused(AppError):
    """A token does not let its holder in. ``code`` says why; an unknown token and a wrong secret get the same one."""

    status = 401
    code = "token_invalid"

    def __init__(self, message: str, advice: str, code: str = "token_invalid"):
        super().__init__(message, advice)
        self.code = code


@dataclass(frozen=True, slots=True)
class Issued:
    """A token as it is shown once. ``id`` is the part that stays visible."""

    id: str
    name: str
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """The program behind a request. ``scopes`` are those of the token that its owner's present role allows."""

    row_id: int
    id: str
    name: str
    user_id: int
    user: str
    role: str
    scopes: frozenset[str]
    expires_at: datetime
    used_at: datetime | None

    @property
    def actor(self) -> str:
        """The actor of what this program changes, as models.sync_run words it."""
        return f"api:{self.name}"

    @property
    def may_see_customers(self) -> bool:
        return "customers:read" in self.scopes

    def may(self, role: str) -> bool:
        """Whether the owner of the token may do what ``role`` may."""
        return ROLES.index(self.role) <= ROLES.index(role)


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as a list shows it. ``state`` is valid, expired or revoked."""

    id: str
    name: str
    user_id: int
    user: str
    state: str
    scopes: tuple[str, ...]
    addresses: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    used_from: str
    previous_until: datetime | None


def create_token(
    user_id: int, name: str, scopes: Iterable[str], actor: str, *, days: int = DAYS, addresses: Iterable[str] = ()
) -> Issued:
    """A new token that acts for a user. Its text is in the answer and nowhere else.

    Raises NotFound, NameTaken, Conflict for a disabled user, or InvalidInput, also for a scope that the user's role does not allow."""
    name = users.clean_name(name)
    chosen, networks = _check_scopes(scopes), _check_addresses(addresses)
    expires_at = utcnow() + timedelta(days=_check_days(days))
    public_id, token = _new_token()
    try:
        with writing() as session:
            user = session.get(User, user_id, with_for_update=True)
            if user is None:
                raise NotFound(f"There is no user {user_id}.")
            if user.disabled_at is not None:
                raise Conflict(f"{user.name} is disabled.", "Enable the user first.")
            refused = sorted(set(chosen) - allowed_scopes(user.role, user.sees_customers))
            if refused:
                raise InvalidInput(
                    f"The role of {user.name} does not allow {', '.join(refused)}.", "Choose fewer scopes.", "scopes"
                )
            _refuse_too_many(user)
            row = ApiToken(
                public_id=public_id, user_id=user_id, name=name, name_key=users.key_of(name), token_hash=_hash(token),
                scopes=chosen, addresses=networks, created_by=actor[:100], expires_at=expires_at,
                warned=token_expiry.stage_of(expires_at - utcnow()),
            )  # fmt: skip
            session.add(row)
            session.flush()
            changes = {"scopes": (None, chosen), "allowed_addresses": (None, networks or None), "expires_at": (None, expires_at)}
            record_change(CREATED, About(row.id, name), {**changes, "acts_for": (None, user.name)}, actor)
            notifications.notify_user(user_id, "token", f"It is called {name}.")
    except IntegrityError:
        raise NameTaken(f"There is a token called {name} already.", "Choose another name, or revoke that token first.") from None
    return Issued(public_id, name, token, expires_at)


def count_valid(user_id: int) -> int:
    """How many valid tokens a user has."""
    valid = (ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > utcnow())
    return db.session.scalar(select(func.count()).where(*valid)) or 0


def _refuse_too_many(user: User) -> None:
    """Raises Conflict."""
    if count_valid(user.id) >= MOST_TOKENS:
        raise Conflict(f"{user.name} has {MOST_TOKENS} valid tokens.", "Revoke those that are not used, then create another.")


def allowed_scopes(role: str, sees_customers: bool) -> set[str]:
    """The scopes that are good for tokens of users with this role."""
    allowed = {name for name, scope in SCOPES.items() if ROLES.index(role) <= ROLES.index(scope.role)}
    return allowed if sees_customers or role != "viewer" else allowed - {"customers:read"}


def find_holder(token: str, address: str) -> Holder:
    """Who shows this token from this address. Raises TokenRefused."""
    wrong = TokenRefused("The token is not valid.", "Check that it was copied whole, or create another one in the settings.")
    match = PATTERN.fullmatch(token)
    if match is None or match[3] != _checksum(f"ctl_{match[1]}_{match[2]}"):
        raise wrong
    query = select(ApiToken, User).join(User, User.id == ApiToken.user_id).where(ApiToken.public_id == match[1])
    row = db.session.execute(query).first()
    if row is None:
        raise wrong
    found, user = row
    now, given = utcnow(), _hash(token)
    if not hmac.compare_digest(found.token_hash, given):
        if not hmac.compare_digest(found.previous_hash or b"", given):
            raise wrong
        if found.previous_until is None or found.previous_until <= now:
            raise TokenRefused("The token was rotated.", "Use the new one.", "token_rotated")
    if found.revoked_at is not None or user.disabled_at is not None:
        raise TokenRefused("The token was revoked.", "Create another one in the settings.", "token_revoked")
    if found.expires_at <= now:
        raise TokenRefused("The token has expired.", "Create another one in the settings.", "token_expired")
    if not _is_allowed(address, found.addresses):
        raise TokenRefused(
            "The token may not be used from this address.", "Use it from one of its allowed addresses.", "token_address"
        )
    scopes = frozenset(found.scopes) & allowed_scopes(user.role, user.sees_customers)
    return Holder(found.id, found.public_id, found.name, user.id, user.name, user.role, scopes, found.expires_at, found.used_at)


def note_use(holder: Holder, address: str) -> None:
    """Remember when and from where a token was last used, to the minute. A database that is busy does not fail the request."""
    now = utcnow()
    if holder.used_at is not None and now - holder.used_at < NOTED_EVERY:
        return
    with suppress(OperationalError), writing() as session:
        session.execute(update(ApiToken).where(ApiToken.id == holder.row_id).values(used_at=now, used_from=address[:45]))


def list_tokens(user_id: int | None = None) -> list[TokenRow]:
    """Tokens by name, those of one user or all; the revoked ones last."""
    query = select(ApiToken, User.name).join(User, User.id == ApiToken.user_id)
    if user_id is not None:
        query = query.where(ApiToken.user_id == user_id)
    query = query.order_by(ApiToken.revoked_at.is_not(None), ApiToken.name_key, ApiToken.id.desc())
    now = utcnow()
    return [_row(token, user, now) for token, user in db.session.execute(query)]


def get_token(public_id: str) -> TokenRow:
    """Raises NotFound."""
    query = select(ApiToken, User.name).join(User, User.id == ApiToken.user_id).where(ApiToken.public_id == public_id)
    found = db.session.execute(query).first()
    if found is None:
        raise NotFound("There is no such token.")
    return _row(*found, utcnow())


def find_token(name: str) -> TokenRow:
    """The token with this name, or with this id. Raises NotFound."""
    named = select(ApiToken.public_id).where(ApiToken.name_key == users.key_of(name), ApiToken.revoked_at.is_(None))
    try:
        return get_token(db.session.scalar(named) or name.strip())
    except NotFound:
        raise NotFound(f"There is no token called {name!r}.", "`flask tokens list` shows them.") from None


def rotate_token(public_id: str, actor: str, *, days: int = DAYS, overlap_hours: int = OVERLAP_HOURS) -> Issued:
    """A new secret for a token. The present one stays valid for the overlap, so that programs can be changed one by one.

    Raises NotFound, InvalidInput, or Conflict for a token that has expired or was revoked."""
    if not 0 <= overlap_hours <= MOST_OVERLAP_HOURS:
        raise InvalidInput(
            f"{overlap_hours} hours is not a possible overlap.", f"Use 0 to {MOST_OVERLAP_HOURS} hours.", "overlap_hours"
        )
    now = utcnow()
    expires_at = now + timedelta(days=_check_days(days))
    _, token = _new_token(public_id)
    with writing():
        row = _locked(public_id)
        if row.revoked_at is not None or row.expires_at <= now:
            raise Conflict(f"The token {row.name} is not valid any more.", "Create another one.")
        record_change(ROTATED, About(row.id, row.name), {"token": CHANGED, "expires_at": (row.expires_at, expires_at)}, actor)
        row.previous_hash, row.previous_until = row.token_hash, min(now + timedelta(hours=overlap_hours), row.expires_at)
        row.token_hash, row.expires_at, row.warned = _hash(token), expires_at, token_expiry.stage_of(expires_at - now)
        return Issued(row.public_id, row.name, token, expires_at)


def revoke_token(public_id: str, actor: str) -> str:
    """End a token at once; twice is the same as once. Answers with its name. Raises NotFound."""
    with writing():
        row = _locked(public_id)
        if row.revoked_at is None:
            row.revoked_at = utcnow()
            record_change(REVOKED, About(row.id, row.name), actor=actor)
        return row.name


def _locked(public_id: str) -> ApiToken:
    row = db.session.scalar(select(ApiToken).where(ApiToken.public_id == public_id).with_for_update())
    if row is None:
        raise NotFound("There is no such token.")
    return row


def _row(token: ApiToken, user: str, now: datetime) -> TokenRow:
    state = "revoked" if token.revoked_at is not None else "expired" if token.expires_at <= now else "valid"
    overlap = token.previous_until if token.previous_until is not None and token.previous_until > now else None
    return TokenRow(
        token.public_id, token.name, token.user_id, user, state, tuple(token.scopes), tuple(token.addresses), token.created_at,
        token.expires_at, token.used_at, token.used_from, overlap,
    )  # fmt: skip


def _new_token(public_id: str = "") -> tuple[str, str]:
    """The visible id and the whole token."""
    public_id = public_id or _random(12)
    start = f"ctl_{public_id}_{_random(32)}"
    return public_id, start + _checksum(start)


def _random(length: int) -> str:
    return "".join(secrets.choice(SIGNS) for _ in range(length))


def _checksum(start: str) -> str:
    """Six signs of the CRC-32 of what comes before them."""
    number, found = zlib.crc32(start.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, len(SIGNS))
        found = SIGNS[digit] + found
    return found


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _check_scopes(scopes: Iterable[str]) -> list[str]:
    chosen = set(scopes)
    unknown = sorted(chosen - SCOPES.keys())
    if unknown:
        raise InvalidInput(f"There is no scope {unknown[0]!r}.", f"Choose from {', '.join(SCOPES)}.", "scopes")
    if not chosen:
        raise InvalidInput("Choose what the token may do.", "It needs at least one scope.", "scopes")
    return [name for name in SCOPES if name in chosen]


def _check_days(days: int) -> int:
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(f"{days} days is not possible.", f"A token is valid for 1 to {MOST_DAYS} days.", "days")
    return days


def _check_addresses(addresses: Iterable[str]) -> list[str]:
    """Networks in one spelling. Raises InvalidInput."""
    found: list[str] = []
    for text in addresses:
        try:
            network = str(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError:
            raise InvalidInput(
                f"{text.strip()[:50]!r} is not an address.", "Use addresses such as 203.0.113.7 or 203.0.113.0/24.", "addresses"
            ) from None
        if network not in found:
            found.append(network)
    if len(found) > MOST_ADDRESSES:
        raise InvalidInput(f"{len(found)} addresses are too many.", f"Use at most {MOST_ADDRESSES}.", "addresses")
    return found


def _is_allowed(address: str, networks: Sequence[str]) -> bool:
    asking = client_address(address)
    return not networks or (asking is not None and any(asking in ipaddress.ip_network(network) for network in networks))
