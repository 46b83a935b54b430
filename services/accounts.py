"""Who may use Cartlink: users made, found, changed, disabled; their passwords set, changed and checked.

Nothing here knows how a browser stays signed in; that is services/sign_ins.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import current_app
from sqlalchemy import Select, delete, func, select
from sqlalchemy.exc import IntegrityError

from config import Config
from errors import Conflict, InvalidInput, NameTaken, NotFound
from extensions import db, writing
from models import User, UserCode, UserSession
from models.types import utcnow
from models.user import ROLES
from services import codes, notices, passwords
from services.words import one_line

LONGEST_NAME = 60
PAGE_SIZE = 50
CODE_GONE = "That code is not good any more: it was used, replaced by a newer one, or it is older than a day."


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user as a list shows them. ``seen_at`` is when they last did anything, None where they are not signed in anywhere."""

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


@dataclass(frozen=True, slots=True)
class UserPage:
    rows: list[UserRow]
    number: int
    pages: int


def needs_first_run() -> bool:
    """Whether nobody is known yet, so that the first-run page makes the first owner."""
    return db.session.scalar(select(User.id).limit(1)) is None


def issue_first_run_code() -> str:
    """The code that the first-run page asks for. Raises Conflict where there are users already."""
    if not needs_first_run():
        raise Conflict("There are users already.", "Make more with `flask users create`.")
    return codes.issue_code("first_run")


def make_first_owner(code: str, name: str, password: str) -> int:
    """Make the first owner, once; answers with the user's id. Raises InvalidInput or Conflict."""
    name = clean_name(name)
    if codes.find_code("first_run", code) is None:
        raise InvalidInput("That code is not the one that was printed last.", "Copy it from where Cartlink was started.", "code")
    hashed = passwords.hash_password(passwords.check_new_password(password, name))
    now = utcnow()
    with writing() as session:
        if session.scalar(select(User.id).limit(1)) is not None or not codes.use_code("first_run", code, now):
            raise Conflict("Somebody else was faster: the first owner has been made.", "Sign in instead.")
        user = _user(name, "owner", "first run")
        user.password_hash, user.password_set_at = hashed, now
        session.add(user)
        session.flush()
        return user.id


def create_user(name: str, role: str, actor: str, *, sees_customers: bool = False, password: str = "") -> int:
    """A new user; without a password one who needs a one-time link first (``issue_password_code``). Answers with the id.

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
            return user.id
    except IntegrityError:
        raise NameTaken(f"There is a user called {name} already.", "Choose another name.") from None


def clean_name(name: str) -> str:
    """Raises InvalidInput for a name that is empty, too long or holds what cannot be shown."""
    if not name.strip():
        raise InvalidInput("Enter a name to sign in with.", field="name")
    return one_line(name, LONGEST_NAME, "name", "name")


def key_of(name: str) -> str:
    """What two names have in common that differ only in case or in how their letters are put together."""
    return passwords.normalised(" ".join(name.split())).casefold()[:200]


def find_user(name: str) -> User:
    """Raises NotFound."""
    user = db.session.scalar(_called(name))
    if user is None:
        raise NotFound(f"There is no user called {name!r}.", "`flask users list` shows who there is.")
    return user


def get_user(user_id: int) -> User:
    """Raises NotFound."""
    user = db.session.get(User, user_id)
    if user is None:
        raise NotFound(f"There is no user {user_id}.")
    return user


def get_row(user_id: int) -> UserRow:
    """A user as a list shows them. Raises NotFound."""
    return _rows([get_user(user_id)])[0]


def list_users(number: int = 1, search: str = "") -> UserPage:
    """Fifty users by name; ``search`` is a part of a name."""
    wanted = select(User)
    if search:
        wanted = wanted.where(User.name_key.contains(key_of(search), autoescape=True))
    count = db.session.scalar(select(func.count()).select_from(wanted.subquery())) or 0
    pages = max(1, -(-count // PAGE_SIZE))
    number = min(max(1, number), pages)
    users = db.session.scalars(wanted.order_by(User.name_key).limit(PAGE_SIZE).offset((number - 1) * PAGE_SIZE)).all()
    return UserPage(_rows(users), number, pages)


def _rows(users: Sequence[User]) -> list[UserRow]:
    open_ones = (
        select(UserSession.user_id, func.count(), func.max(UserSession.seen_at))
        .where(UserSession.user_id.in_([user.id for user in users]), UserSession.expires_at > utcnow())
        .group_by(UserSession.user_id)
    )
    seen = {user_id: (count, at) for user_id, count, at in db.session.execute(open_ones)}
    return [
        UserRow(
            user.id, user.name, user.role, user.sees_customers, user.two_step_sealed is not None, bool(user.password_hash),
            user.disabled_at is not None, user.created_at, *seen.get(user.id, (0, None)),
        )
        for user in users
    ]  # fmt: skip


def change_role(user_id: int, role: str, sees_customers: bool) -> None:
    """Give a user another role, from their next request on. Raises InvalidInput, NotFound, or Conflict for the last owner."""
    _check_role(role)
    with writing() as session:
        owners = _locked_owners()
        user = _locked(user_id)
        if role != "owner":
            _refuse_last_owner(user, owners)
        user.role, user.sees_customers = role, sees_customers
        session.flush()


def disable_user(user_id: int) -> None:
    """End all that a user has open and let them in no more. Raises NotFound, or Conflict for the last owner."""
    with writing() as session:
        owners = _locked_owners()
        user = _locked(user_id)
        _refuse_last_owner(user, owners)
        user.disabled_at = user.disabled_at or utcnow()
        for table in (UserSession, UserCode):
            session.execute(delete(table).where(table.user_id == user_id))


def enable_user(user_id: int) -> None:
    """Let a disabled user in again, with the password they had. Raises NotFound."""
    with writing():
        _locked(user_id).disabled_at = None


def issue_password_code(user_id: int, *, two_step_off: bool = False) -> str:
    """The code of a one-time link with which a user sets a new password within a day. What they have now stays good until
    then; with ``two_step_off`` the two-step sign-in ends at once. Raises NotFound, or Conflict for a disabled user."""
    user = get_user(user_id)
    if user.disabled_at is not None:
        raise Conflict(f"{user.name} is disabled.", "Enable the user first.")
    with writing():
        notices.tell_user(user_id, "link")
        if two_step_off:
            user = _locked(user_id)
            if user.two_step_sealed is not None:
                notices.tell_user(user_id, "two_step_off")
            user.two_step_sealed = user.two_step_next_sealed = None
    return codes.issue_code("password", user_id)


def link_of(code: str, root: str = "") -> str:
    """The one-time link that carries a code: under PUBLIC_URL, or else under ``root``; without either its path alone."""
    config: Config = current_app.config["CARTLINK"]
    return f"{(config.public_url or root).rstrip('/')}/set-password?code={code}"


def user_of_code(code: str) -> User:
    """Whose password a code may set. Raises NotFound where it is not good (any more)."""
    found = codes.find_code("password", code)
    if found is None or found.user_id is None:
        raise NotFound(CODE_GONE, "Ask whoever gave you the link for a new one.")
    return get_user(found.user_id)


def set_password(code: str, password: str) -> str:
    """Set a password with a one-time code and sign out everywhere; answers with the user's name.

    Raises NotFound, or InvalidInput for a password that will not do: the code stays good then."""
    user = user_of_code(code)
    user_id, name = user.id, user.name
    hashed = passwords.hash_password(passwords.check_new_password(password, name))
    now = utcnow()
    with writing() as session:
        if not codes.use_code("password", code, now):
            raise NotFound(CODE_GONE, "Ask whoever gave you the link for a new one.")
        user = _locked(user_id)
        user.password_hash, user.password_set_at = hashed, now
        session.execute(delete(UserSession).where(UserSession.user_id == user_id))
        notices.tell_user(user_id, "password")
    return name


def change_password(user_id: int, current: str, new: str) -> None:
    """Change one's own password and end every session, this one included. Raises InvalidInput."""
    user = get_user(user_id)
    if not passwords.is_right(user.password_hash, current):
        raise InvalidInput("That is not your present password.", "Type it again.", "current")
    hashed = passwords.hash_password(passwords.check_new_password(new, user.name))
    with writing() as session:
        user = _locked(user_id)
        user.password_hash, user.password_set_at = hashed, utcnow()
        session.execute(delete(UserSession).where(UserSession.user_id == user_id))
        session.execute(delete(UserCode).where(UserCode.user_id == user_id))
        notices.tell_user(user_id, "password")


def check_password(name: str, password: str) -> User | None:
    """Who signs in with this name and password; None where there is nobody, and it takes as long to find that out."""
    user = db.session.scalar(_called(name))
    stored = user.password_hash if user is not None and user.disabled_at is None else ""
    if not passwords.is_right(stored, password) or user is None:
        return None
    if passwords.is_outdated(stored):
        hashed, user_id = passwords.hash_password(password), user.id
        with writing():
            user = _locked(user_id)
            if user.password_hash == stored:
                user.password_hash = hashed
    return user


def is_right_password(user_id: int, password: str) -> bool:
    """Whether this is a user's password, asked again before something grave."""
    return passwords.is_right(get_user(user_id).password_hash, password)


def set_zone(user_id: int, zone: str) -> None:
    """The time zone a user wants times in; empty for the browser's."""
    with writing():
        _locked(user_id).zone = zone[:60]


def _user(name: str, role: str, actor: str) -> User:
    return User(name=name, name_key=key_of(name), role=role, created_by=actor[:100])


def _called(name: str) -> Select[tuple[User]]:
    return select(User).where(User.name_key == key_of(name[: 4 * LONGEST_NAME]))


def _locked(user_id: int) -> User:
    """Inside ``writing()``: a user nobody else changes meanwhile. Raises NotFound."""
    user = db.session.get(User, user_id, with_for_update=True, populate_existing=True)
    if user is None:
        raise NotFound(f"There is no user {user_id}.")
    return user


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise InvalidInput(f"There is no role {role!r}.", f"Choose one of {', '.join(ROLES)}.", "role")


def _locked_owners() -> list[int]:
    """Inside ``writing()``, before anything else is locked: the owners who can sign in, so that two of them cannot disable
    each other at the same moment."""
    owners = select(User.id).where(User.role == "owner", User.disabled_at.is_(None)).order_by(User.id).with_for_update()
    return list(db.session.scalars(owners))


def _refuse_last_owner(user: User, owners: Sequence[int]) -> None:
    """Somebody has to be able to make users. Raises Conflict."""
    if list(owners) == [user.id]:
        raise Conflict(f"{user.name} is the only owner.", "Make somebody else an owner first.")
