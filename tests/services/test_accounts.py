"""Users, their passwords and one-time codes."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from statistics import median

import pytest
from sqlalchemy import select, text, update

from errors import Conflict, InvalidInput, NameTaken, NotFound
from extensions import db, writing
from models import User, UserCode, UserSession
from models.types import utcnow
from services import accounts, passwords, sign_ins
from tests.support.signed_in import user_called

GOOD = "plum kettle orbit seven"
OTHER = "violet harbour nine lamps"

pytestmark = pytest.mark.usefixtures("app")


def make(name: str = "Ann", role: str = "owner", password: str = GOOD) -> int:
    return accounts.create_user(name, role, "test", password=password)


class TestTheFirstOwner:
    def test_the_code_that_was_printed_makes_an_owner_once(self):
        code = accounts.issue_first_run_code()
        assert accounts.needs_first_run()
        user_id = accounts.make_first_owner(code.lower().replace("-", " "), " Ann  Bee ", GOOD)
        user = accounts.get_user(user_id)
        assert (user.name, user.role) == ("Ann Bee", "owner")
        assert not accounts.needs_first_run()
        for again in (code, accounts.codes.issue_code("first_run")):
            with pytest.raises((Conflict, InvalidInput)):
                accounts.make_first_owner(again, "Mallory", GOOD)
        with pytest.raises(Conflict):
            accounts.issue_first_run_code()

    @pytest.mark.parametrize("code", ["", "ABCD", "AAAA-AAAA-AAAA-AAAA", "é" * 300])
    def test_no_other_code_does(self, code):
        accounts.issue_first_run_code()
        with pytest.raises(InvalidInput, match="not the one that was printed last"):
            accounts.make_first_owner(code, "Mallory", GOOD)
        assert accounts.needs_first_run()

    def test_only_the_code_printed_last_counts_and_not_for_ever(self):
        first = accounts.issue_first_run_code()
        second = accounts.issue_first_run_code()
        with pytest.raises(InvalidInput):
            accounts.make_first_owner(first, "Ann", GOOD)
        with writing() as session:
            session.execute(update(UserCode).values(expires_at=utcnow() - timedelta(seconds=1)))
        with pytest.raises(InvalidInput):
            accounts.make_first_owner(second, "Ann", GOOD)

    def test_a_refused_password_leaves_the_code_good(self):
        code = accounts.issue_first_run_code()
        with pytest.raises(InvalidInput, match="at least 12"):
            accounts.make_first_owner(code, "Ann", "short")
        accounts.make_first_owner(code, "Ann", GOOD)

    def test_two_at_the_same_moment_make_one_owner(self, app):
        code = accounts.issue_first_run_code()
        start, ends = threading.Barrier(2), []

        def try_it(name: str) -> None:
            with app.app_context():
                start.wait(10)
                try:
                    accounts.make_first_owner(code, name, GOOD)
                    ends.append("made")
                except (Conflict, InvalidInput):
                    ends.append("refused")
                finally:
                    db.session.remove()

        threads = [threading.Thread(target=try_it, args=(name,)) for name in ("Ann", "Ben")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(ends) == ["made", "refused"]
        assert len(db.session.scalars(select(User)).all()) == 1


class TestPasswords:
    @pytest.mark.parametrize(
        ("password", "complaint"),
        [
            ("elevenchars", "at least 12"), ("x" * 129, "longer than 128"), ("password1234", "easy to guess"),
            ("aaaaaaaaaaaaaaaa", "easy to guess"), ("qwertyuiop[]", "easy to guess"), ("annabelle1999", "easy to guess"),
            ("cartlinkcartlink", "easy to guess"),
        ],
    )  # fmt: skip
    def test_what_is_short_or_easy_to_guess_is_refused(self, password, complaint):
        with pytest.raises(InvalidInput, match=complaint):
            make("Annabelle", password=password)

    @pytest.mark.parametrize(
        "password",
        [GOOD, "пять зелёных чайников", "三つの緑のやかんと猫がいる", "one two three kettles and a lamp on the pier " * 2],
    )
    def test_any_kind_of_character_may_be_in_it(self, password):
        make(password=password)
        assert accounts.check_password("ann", password) is not None

    def test_it_is_kept_as_argon2id_with_a_salt_of_its_own(self):
        first, second = (accounts.get_user(make(name)).password_hash for name in ("Ann", "Ben"))
        assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert first != second

    def test_the_same_letters_typed_on_another_keyboard_are_the_same_password(self):
        make(password="caf\u00e9 kettle orbit")
        assert accounts.check_password("ann", "cafe\u0301 kettle orbit") is not None

    def test_an_outdated_hash_is_renewed_when_its_owner_signs_in(self):
        user_id = make()
        old = passwords.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD)
        with writing() as session:
            session.execute(update(User).values(password_hash=old))
        assert accounts.check_password("Ann", GOOD) is not None
        assert accounts.get_user(user_id).password_hash.startswith("$argon2id$v=19$m=19456")

    @pytest.mark.one_database
    def test_a_wrong_name_takes_as_long_to_refuse_as_a_wrong_password(self):
        make()
        accounts.disable_user(make("Gone"))
        make("Ben", "viewer")
        took: dict[str, list[float]] = {"Ann": [], "Nobody": [], "Gone": []}
        for _ in range(9):
            for name, times in took.items():
                before = time.thread_time()
                assert accounts.check_password(name, "wrong wrong wrong") is None
                times.append(time.thread_time() - before)
        fastest, slowest = sorted(median(times) for times in took.values())[::2]
        assert slowest < 2 * fastest, took

    def test_who_has_no_password_yet_or_is_disabled_does_not_get_in(self):
        accounts.create_user("Ben", "viewer", "test")
        make()
        gone = make("Gone", "viewer")
        accounts.disable_user(gone)
        for name, password in (
            ("Ben", ""),
            ("Ben", "nobody"),
            ("Nobody", "nobody"),
            ("Gone", GOOD),
            ("Ann", ""),
            ("", GOOD),
            ("Ann", GOOD.upper()),
        ):
            assert accounts.check_password(name, password) is None


class TestUsers:
    def test_names_are_found_in_any_case_and_taken_for_good(self):
        make("Zoë Ann")
        assert accounts.check_password("  zoe\u0308  ANN ", GOOD) is not None
        with pytest.raises(NameTaken):
            make("ZOË ann")
        make("Ben")
        accounts.disable_user(accounts.find_user("zoë ann").id)
        with pytest.raises(NameTaken):
            make("Zoë Ann")

    @pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\u202eb", "a\x00b", "a\u2066b"])
    def test_a_name_that_cannot_be_shown_is_refused(self, name):
        with pytest.raises(InvalidInput):
            make(name)

    def test_there_is_always_an_owner(self):
        ann, ben = make(), make("Ben")
        accounts.change_role(ben, "viewer", False)
        for act in (lambda: accounts.disable_user(ann), lambda: accounts.change_role(ann, "manager", False)):
            with pytest.raises(Conflict, match="only owner"):
                act()
        accounts.change_role(ben, "owner", False)
        accounts.disable_user(ann)
        with pytest.raises(Conflict, match="only owner"):
            accounts.disable_user(ben)

    def test_two_owners_cannot_disable_each_other_at_the_same_moment(self, app):
        ids = [make(), make("Ben")]
        start = threading.Barrier(2)

        def disable(user_id: int) -> None:
            with app.app_context():
                start.wait(10)
                try:
                    accounts.disable_user(user_id)
                except Conflict:
                    pass
                finally:
                    db.session.remove()

        threads = [threading.Thread(target=disable, args=(user_id,)) for user_id in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        db.session.rollback()
        assert len(db.session.scalars(select(User).where(User.disabled_at.is_(None))).all()) == 1

    def test_disabling_ends_sessions_and_codes(self):
        make()
        ben = make("Ben", "viewer")
        token = sign_ins.begin_session(ben, "127.0.0.1", "a browser")
        code = accounts.issue_password_code(ben)
        accounts.disable_user(ben)
        assert sign_ins.find_person(token) is None
        with pytest.raises(NotFound):
            accounts.set_password(code, OTHER)
        with pytest.raises(Conflict):
            accounts.issue_password_code(ben)
        accounts.enable_user(ben)
        assert accounts.check_password("Ben", GOOD) is not None
        assert sign_ins.find_person(token) is None

    def test_a_list_pages_and_searches(self):
        for number in range(52):
            user_called(f"User {number:02}", "viewer")
        first = accounts.list_users()
        assert (len(first.rows), first.pages) == (50, 2)
        assert [row.name for row in accounts.list_users(2).rows] == ["User 50", "User 51"]
        assert accounts.list_users(99).number == 2
        assert [row.name for row in accounts.list_users(search="R 5").rows] == ["User 50", "User 51"]
        assert accounts.list_users(search="%").rows == []


class TestOneTimeLinks:
    def test_a_link_sets_the_password_once_and_ends_every_session(self):
        ann = make()
        token = sign_ins.begin_session(ann, "127.0.0.1", "a browser")
        code = accounts.issue_password_code(ann)
        assert accounts.check_password("Ann", GOOD) is not None
        assert accounts.set_password(code, OTHER) == "Ann"
        assert accounts.check_password("Ann", GOOD) is None
        assert accounts.check_password("Ann", OTHER) is not None
        assert sign_ins.find_person(token) is None
        with pytest.raises(NotFound, match="not good any more"):
            accounts.set_password(code, GOOD)

    def test_a_newer_link_makes_the_older_void_and_each_lasts_a_day(self):
        ann = make()
        first, second = accounts.issue_password_code(ann), accounts.issue_password_code(ann)
        with pytest.raises(NotFound):
            accounts.set_password(first, OTHER)
        with writing() as session:
            session.execute(update(UserCode).values(expires_at=utcnow() - timedelta(seconds=1)))
        with pytest.raises(NotFound):
            accounts.set_password(second, OTHER)

    def test_the_tables_hold_no_code_and_no_token(self):
        ann = make()
        code, token = accounts.issue_password_code(ann), sign_ins.begin_session(ann, "127.0.0.1", "a browser")
        rows = [*db.session.execute(text("SELECT * FROM user_code")), *db.session.execute(text("SELECT * FROM user_session"))]
        stored = " ".join(str(value) for row in rows for value in row)
        for secret in (code, code.replace("-", ""), token):
            assert secret not in stored

    def test_a_code_for_one_thing_is_none_for_another(self):
        ann = make()
        with pytest.raises(NotFound):
            accounts.set_password(accounts.codes.issue_code("second_step", ann), OTHER)


def test_changing_the_password_takes_the_present_one_and_ends_every_session():
    ann = make()
    token = sign_ins.begin_session(ann, "127.0.0.1", "a browser")
    with pytest.raises(InvalidInput, match="not your present password"):
        accounts.change_password(ann, "wrong wrong wrong", OTHER)
    with pytest.raises(InvalidInput, match="at least 12"):
        accounts.change_password(ann, GOOD, "short")
    assert sign_ins.find_person(token) is not None
    accounts.change_password(ann, GOOD, OTHER)
    assert accounts.check_password("Ann", OTHER) is not None
    assert sign_ins.find_person(token) is None


def test_a_users_rows_go_with_the_user():
    """No page deletes users; an operator who does in the database leaves nothing behind."""
    ann = make()
    sign_ins.begin_session(ann, "127.0.0.1", "a browser")
    accounts.issue_password_code(ann)
    with writing() as session:
        session.execute(text('DELETE FROM "user"'))
    assert db.session.scalars(select(UserSession)).all() == []
    assert db.session.scalars(select(UserCode)).all() == []
