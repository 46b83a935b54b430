"""Users: create, find, change and disable them, and set, change and check their passwords.

Sessions of browsers are in services/accounts/sign_ins.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, delete, func, select
from sqlalchemy.exc import IntegrityError

from config import Config, current_config
from errors import Conflict, InvalidInput, NameTaken, NotFound
from extensions import db, writing
from models import Draft, KnownBrowser, User, UserCode, UserSession
from models.types import utcnow
from models.user import ROLES
from services.accounts import one_time_codes, passwords
from services.common.paging import Page, page_of
from services.common.text import one_line
from services.notify import notifications
from services.security import audit
from services.security.audit import CHANGED, About, record_change

CREATED = audit.kind("user.created", "User created")
CHANGED_USER = audit.kind("user.changed", "User changed")
DISABLED = audit.kind("user.disabled", "User disabled")
ENABLED = audit.kind("user.enabled", "User enabled")
LINK_ISSUED = audit.kind("user.link_issued", "One-time link created")
PASSWORD_CHANGED = audit.kind("user.password_changed", "Password changed")
TWO_STEP_OFF = audit.kind("user.two_step_off", "Two-step sign-in switched off")
LONGEST_NAME = 60
PAGE_SIZE = 50
CODE_GONE = "That link is no longer valid. It was used, replaced by a newer one, or is older than a day."


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user in a list. ``seen_at`` is the last use of a session, None without a session."""

    id: int
    name: str
    role: str
    sees_customers: bool
    two_step: bool
    has_password: bool
    disabled: bool
    created_at: datetime
    sessions: int
    seen_at: datetime | None


def needs_first_run() -> bool:
    """Whether there are no users yet, so that the first-run page creates the first owner."""
    return db.session.scalar(select(User.id).limit(1)) is None


def issue_first_run_code() -> str:
    """The code for the first-run page. Raises Conflict if there are users already."""
    if not needs_first_run():
        raise Conflict("There are users already.", "Create more with `flask users create`.")
    return one_time_codes.issue_code("first_run")


def make_first_owner(code: str, name: str, password: str) -> int:
    """Create the first owner and return the user's id. Raises InvalidInput or Conflict."""
    if wrong := wrong_about_first_owner(code, name, password):
        raise wrong[0]
    name = clean_name(name)
    hashed = passwords.hash_password(passwords.check_new_password(password, name))
    now = utcnow()
    with writing() as session:
        if session.scalar(select(User.id).limit(1)) is not None or not one_time_codes.use_code("first_run", code, now):
            raise Conflict("The first owner exists already.", "Sign in instead.")
        user = _user(name, "owner", "first run")
        user.password_hash, user.password_set_at = hashed, now
        session.add(user)
        session.flush()
        record_change(CREATED, _about(user), {"role": (None, "owner")}, f"user:{name}")
        return user.id


def wrong_about_first_owner(code: str, name: str, password: str) -> list[InvalidInput]:
    """Everything that ``make_first_owner`` would refuse, so that a person can fix it in one round."""
    found = []
    try:
        name = clean_name(name)
    except InvalidInput as wrong:
        found.append(wrong)
    if one_time_codes.find_code("first_run", code) is None:
        found.append(
            InvalidInput(
                "That is not the code that was printed last.", "Copy it from the terminal where Cartlink was started.", "code"
            )
        )
    try:
        passwords.check_new_password(password, name)
    except InvalidInput as wrong:
        found.append(wrong)
    return found


def create_user(name: str, role: str, actor: str, *, sees_customers: bool = False, password: str = "") -> int:
    """Create a user and return the id. Without a password the user needs a one-time link (``issue_password_code``).

    Raises InvalidInput or NameTaken."""
    name = clean_name(name)
    _check_role(role)
    hashed = passwords.hash_password(passwords.check_new_password(password, name)) if password else ""
    try:
        with writing() as session:
            user = _user(name, role, actor)
            user.sees_customers = sees_customers
            user.password_hash, user.password_set_at = hashed, utcnow() if hashed else None
            session.add(user)
            session.flush()
            record_change(CREATED, _about(user), {"role": (None, role), "sees_customers": (False, sees_customers)}, actor)
            return user.id
    except IntegrityError:
        taken = db.session.scalar(_called(name))
        raise NameTaken(f"There is a user called {taken.name if taken else name} already.", "Choose another name.") from None


def clean_name(name: str) -> str:
    """Raises InvalidInput for a name that is empty, too long or contains control characters."""
    if not name.strip():
        raise InvalidInput("Enter a name to sign in with.", field="name")
    return one_line(name, LONGEST_NAME, "name", "name")


def key_of(name: str) -> str:
    """The key of a name. Names that differ only in case, white space or Unicode normalisation have the same key.

    Sign-in, its rate limits and the table all use this key, so no spelling of a name can
    avoid the limits."""
    return passwords.normalised(" ".join(name.split())).casefold()[:200]


def find_user(name: str) -> User:
    """Raises NotFound."""
    user = db.session.scalar(_called(name))
    if user is None:
        raise NotFound(f"There is no user called {name!r}.", "`flask users list` shows all users.")
    return user


def get_user(user_id: int) -> User:
    """Raises NotFound."""
    user = db.session.get(User, user_id)
    if user is None:
        raise NotFound(f"There is no user {user_id}.")
    return user


def get_row(user_id: int) -> UserRow:
    """A user as in the list. Raises NotFound."""
    return _rows([get_user(user_id)])[0]


def list_users(place: str = "", search: str = "") -> Page[UserRow]:
    """A page of users by name; ``search`` is a part of a name."""
    wanted = select(User)
    if search:
        wanted = wanted.where(User.name_key.contains(key_of(search), autoescape=True))
    return page_of(wanted, (User.name_key,), place, PAGE_SIZE, lambda found: _rows([row[0] for row in found]))


def _rows(users: Sequence[User]) -> list[UserRow]:
    open_ones = (
        select(UserSession.user_id, func.count(), func.max(UserSession.seen_at))
        .where(UserSession.user_id.in_([user.id for user in users]), UserSession.expires_at > utcnow())
        .group_by(UserSession.user_id)
    )
    seen = {user_id: (count, at) for user_id, count, at in db.session.execute(open_ones)}
    return [
        UserRow(
            user.id, user.name, user.role, user.sees_customers, user.two_step_encrypted is not None, bool(user.password_hash),
            user.disabled_at is not None, user.created_at, *seen.get(user.id, (0, None)),
        )
        for user in users
    ]  # fmt: skip


def change_role(user_id: int, role: str, sees_customers: bool) -> None:
    """Change a user's role, from the next request on. What an owner has begun to set up ends with that role. Raises InvalidInput,
    NotFound, or Conflict for the last owner."""
    _check_role(role)
    with writing() as session:
        owners = _locked_owners()
        user = _locked(user_id)
        if role != "owner":
            _refuse_last_owner(user, owners)
            _end_set_ups(user)
        changes = {"role": (user.role, role), "sees_customers": (user.sees_customers, sees_customers)}
        record_change(CHANGED_USER, _about(user), changes)
        user.role, user.sees_customers = role, sees_customers
        session.flush()


def disable_user(user_id: int) -> str:
    """Sign a user out everywhere and block signing in. Returns a sentence that says so. Raises NotFound, or Conflict for the last owner."""
    with writing():
        owners = _locked_owners()
        user = _locked(user_id)
        _refuse_last_owner(user, owners)
        record_change(DISABLED, _about(user), {"disabled": (user.disabled_at is not None, True)})
        user.disabled_at = user.disabled_at or utcnow()
        _end_everything(user)
        _end_set_ups(user)
        return f"{user.name} is signed out everywhere and can no longer sign in."


def enable_user(user_id: int) -> str:
    """Let a disabled user sign in again with the same password. Returns a sentence that says so. Raises NotFound."""
    with writing():
        user = _locked(user_id)
        record_change(ENABLED, _about(user), {"disabled": (user.disabled_at is not None, False)})
        user.disabled_at = None
        return f"{user.name} can sign in again."


def issue_password_code(user_id: int, *, two_step_off: bool = False) -> str:
    """The code of a one-time link for setting a new password within a day. The present password works until then. With ``two_step_off``
    setting it also switches two-step sign-in off, and not before: anyone who knows the present password still needs the app. Raises NotFound,
    or Conflict for a disabled user."""
    user = get_user(user_id)
    if user.disabled_at is not None:
        raise Conflict(f"{user.name} is disabled.", "Enable the user first.")
    with writing():
        notifications.notify_user(user_id, "link_two_step_off" if two_step_off else "link")
        user = _locked(user_id)
        record_change(LINK_ISSUED, _about(user), {"switches_two-step_sign-in_off": (None, True)} if two_step_off else None)
    return one_time_codes.issue_code("password", user_id, two_step_off=two_step_off)


def link_of(code: str, root: str = "") -> str:
    """The one-time link of a code: under PUBLIC_URL, else under ``root``, else only its path."""
    config: Config = current_config()
    return f"{(config.public_url or root).rstrip('/')}/set-password?code={code}"


@dataclass(frozen=True, slots=True)
class PasswordLink:
    """Whose password a one-time link sets, whether that user has one, and whether it switches the two-step sign-in off, which is on."""

    user_id: int
    name: str
    replaces: bool
    switches_off: bool


def link_behind(code: str) -> PasswordLink:
    """What the link with this code does. Raises NotFound if the code is not valid."""
    found = one_time_codes.find_code("password", code)
    if found is None or found.user_id is None:
        raise NotFound(CODE_GONE, "Ask for a new link.")
    user = get_user(found.user_id)
    switches_off = found.two_step_off and user.two_step_encrypted is not None
    return PasswordLink(user.id, user.name, bool(user.password_hash), switches_off)


def set_password(code: str, password: str) -> str:
    """Set a password with a one-time code, end all sessions, and switch two-step sign-in off if the code was made for that. Returns the
    user's name.

    Raises NotFound, or InvalidInput for a weak password; then the code stays valid."""
    link = link_behind(code)
    name = link.name
    hashed = passwords.hash_password(passwords.check_new_password(password, name))
    now = utcnow()
    with writing():
        if not one_time_codes.use_code("password", code, now):
            raise NotFound(CODE_GONE, "Ask for a new link.")
        user = _locked(link.user_id)
        user.password_hash, user.password_set_at = hashed, now
        record_change(PASSWORD_CHANGED, _about(user), {"password": CHANGED}, f"user:{name}")
        if link.switches_off:
            remove_second_step(user)
        _end_everything(user)
        notifications.notify_user(link.user_id, "password")
    return name


def remove_second_step(user: User) -> None:
    """Switch the two-step sign-in of a user off. Sign-ins that wait for a code have to begin again. Call it inside ``writing()``."""
    if user.two_step_encrypted is not None:
        notifications.notify_user(user.id, "two_step_off")
        record_change(TWO_STEP_OFF, _about(user), actor=f"user:{user.name}")
    user.two_step_encrypted = user.two_step_next_encrypted = None
    one_time_codes.withdraw_codes("second_step", user.id)


def change_password(user_id: int, current: str, new: str) -> None:
    """Change a user's own password and end all sessions, including this one. Raises InvalidInput."""
    user = get_user(user_id)
    if not passwords.is_right(user.password_hash, current):
        raise InvalidInput("That is not your current password.", "Type it again.", "current")
    hashed = passwords.hash_password(passwords.check_new_password(new, user.name))
    with writing():
        user = _locked(user_id)
        user.password_hash, user.password_set_at = hashed, utcnow()
        record_change(PASSWORD_CHANGED, _about(user), {"password": CHANGED}, f"user:{user.name}")
        _end_everything(user)
        notifications.notify_user(user_id, "password")


def _end_everything(user: User) -> None:
    """End all sessions of a user, second steps that wait for a code,
    one-time links, an unconfirmed two-step set-up, and forget known browsers. Call it inside ``writing()``."""
    user.two_step_next_encrypted = None
    for table in (UserSession, UserCode, KnownBrowser):
        db.session.execute(delete(table).where(table.user_id == user.id))


def _end_set_ups(user: User) -> None:
    """End what only an owner may set up: a shop that is being tested by a worker would still be saved. Call it inside ``writing()``."""
    db.session.execute(delete(Draft).where(Draft.actor == f"user:{user.name}").execution_options(synchronize_session=False))


def check_password(name: str, password: str) -> User | None:
    """The user with this name and password, or None. Both take equally long. Raises InvalidInput for a disabled user: only who knows the
    password reads that."""
    user = db.session.scalar(_called(name))
    stored = user.password_hash if user is not None else ""
    if not passwords.is_right(stored, password) or user is None:
        return None
    if user.disabled_at is not None:
        raise InvalidInput("This user is disabled.", "Ask an owner to enable it.", field="name")
    if passwords.is_outdated(stored):
        hashed, user_id = passwords.hash_password(password), user.id
        with writing():
            user = _locked(user_id)
            if user.password_hash != stored:
                return None
            user.password_hash = hashed
    return user


def is_right_password(user_id: int, password: str) -> bool:
    """Whether this is the user's password, asked again before a critical change."""
    return passwords.is_right(get_user(user_id).password_hash, password)


def set_zone(user_id: int, zone: str) -> None:
    """Set the time zone in which a user sees times; empty for the browser's."""
    with writing():
        user = _locked(user_id)
        record_change(CHANGED_USER, _about(user), {"time_zone": (user.zone, zone[:60])})
        user.zone = zone[:60]


def _user(name: str, role: str, actor: str) -> User:
    return User(name=name, name_key=key_of(name), role=role, created_by=actor[:100])


def _about(user: User) -> About:
    return About(user.id, user.name)


def _called(name: str) -> Select[User]:
    return select(User).where(User.name_key == key_of(name))


def _locked(user_id: int) -> User:
    """Lock a user for a change. Raises NotFound. Call it inside ``writing()``."""
    user = db.session.get(User, user_id, with_for_update=True, populate_existing=True)
    if user is None:
        raise NotFound(f"There is no user {user_id}.")
    return user


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise InvalidInput(f"There is no role {role!r}.", f"Choose one of {', '.join(ROLES)}.", "role")


def _locked_owners() -> list[int]:
    """Lock the owners who can sign in, so that two of them cannot disable
    each other at the same moment. Call it inside ``writing()``, before any other lock."""
    owners = select(User.id).where(User.role == "owner", User.disabled_at.is_(None)).order_by(User.id).with_for_update()
    return list(db.session.scalars(owners))


def _refuse_last_owner(user: User, owners: Sequence[int]) -> None:
    """Raises Conflict for the last owner: somebody has to be able to create users."""
    if list(owners) == [user.id]:
        raise Conflict(f"{user.name} is the only owner.", "Make another user an owner first.")
