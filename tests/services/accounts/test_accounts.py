"""Users, their passwords and one-time codes."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from statistics import median

import pyotp
import pytest
from sqlalchemy import select, text, update

from errors import Conflict, InvalidInput, NameTaken, NotFound
from extensions import db, writing
from models import User, UserCode, UserSession
from models.types import utcnow
from services.accounts import one_time_codes, passwords, sign_ins, two_step, users
from services.notify import notifications
from tests.support import sharing
from tests.support.signed_in import user_called

GOOD = "plum kettle orbit seven"
OTHER = "violet harbour nine lamps"

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def real_hasher(monkeypatch):
    """Passwords are hashed at the price they have for users."""
    monkeypatch.setattr(passwords, "_HASHER", sharing.HASHER)
    passwords._hash_of_nobody.cache_clear()
    yield
    passwords._hash_of_nobody.cache_clear()


def make(name: str = "Ann", role: str = "owner", password: str = GOOD) -> int:
    return users.create_user(name, role, "test", password=password)


class TestTheFirstOwner:
    def test_the_code_that_was_printed_makes_an_owner_once(self):
        code = users.issue_first_run_code()
        assert users.needs_first_run()
        user_id = users.make_first_owner(code.lower().replace("-", " "), " Ann  Bee ", GOOD)
        user = users.get_user(user_id)
        assert (user.name, user.role) == ("Ann Bee", "owner")
        assert not users.needs_first_run()
        for again in (code, one_time_codes.issue_code("first_run")):
            with pytest.raises((Conflict, InvalidInput)):
                users.make_first_owner(again, "Mallory", GOOD)
        with pytest.raises(Conflict):
            users.issue_first_run_code()

    @pytest.mark.parametrize("code", ["", "ABCD", "AAAA-AAAA-AAAA-AAAA", "é" * 300])
    def test_no_other_code_does(self, code):
        users.issue_first_run_code()
        with pytest.raises(InvalidInput, match="not the code that was printed last"):
            users.make_first_owner(code, "Mallory", GOOD)
        assert users.needs_first_run()

    def test_only_the_code_printed_last_counts_and_not_for_ever(self):
        first = users.issue_first_run_code()
        second = users.issue_first_run_code()
        with pytest.raises(InvalidInput):
            users.make_first_owner(first, "Ann", GOOD)
        with writing() as session:
            session.execute(update(UserCode).values(expires_at=utcnow() - timedelta(seconds=1)))
        with pytest.raises(InvalidInput):
            users.make_first_owner(second, "Ann", GOOD)

    def test_a_refused_password_leaves_the_code_good(self):
        code = users.issue_first_run_code()
        with pytest.raises(InvalidInput, match="at least 12"):
            users.make_first_owner(code, "Ann", "short")
        users.make_first_owner(code, "Ann", GOOD)

    def test_two_at_the_same_moment_make_one_owner(self, app):
        code = users.issue_first_run_code()
        start, ends = threading.Barrier(2), []

        def try_it(name: str) -> None:
            with app.app_context():
                start.wait(10)
                try:
                    users.make_first_owner(code, name, GOOD)
                    ends.append("made")
                except (Conflict, InvalidInput):
                    ends.append("refused")
                finally:
                    db.session.remove()

        threads = [threading.Thread(target=try_it, args=(name,)) for name in ("Ann", "Ben")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
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
        assert users.check_password("ann", password) is not None

    def test_it_is_kept_as_argon2id_with_a_separate_salt(self, real_hasher):
        first, second = (users.get_user(make(name)).password_hash for name in ("Ann", "Ben"))
        assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert first != second

    def test_the_same_letters_typed_on_another_keyboard_are_the_same_password(self):
        make(password="caf\u00e9 kettle orbit")
        assert users.check_password("ann", "cafe\u0301 kettle orbit") is not None

    def test_an_outdated_hash_is_renewed_when_its_owner_signs_in(self, real_hasher):
        user_id = make()
        old = passwords.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD)
        with writing() as session:
            session.execute(update(User).values(password_hash=old))
        assert users.check_password("Ann", GOOD) is not None
        assert users.get_user(user_id).password_hash.startswith("$argon2id$v=19$m=19456")

    @pytest.mark.one_database
    def test_a_wrong_name_takes_as_long_to_refuse_as_a_wrong_password(self, real_hasher):
        make()
        users.disable_user(make("Gone"))
        make("Ben", "viewer")
        took: dict[str, list[float]] = {"Ann": [], "Nobody": [], "Gone": []}
        for _ in range(9):
            for name, times in took.items():
                before = time.thread_time()
                assert users.check_password(name, "wrong wrong wrong") is None
                times.append(time.thread_time() - before)
        fastest, slowest = sorted(median(times) for times in took.values())[::2]
        assert slowest < 2 * fastest, took

    def test_a_disabled_user_does_not_get_in_and_reads_why_with_the_right_password_alone(self):
        make()
        users.disable_user(make("Gone", "viewer"))
        assert users.check_password("Gone", "wrong wrong wrong") is None
        with pytest.raises(InvalidInput, match="This user is disabled"):
            users.check_password("Gone", GOOD)

    def test_who_has_no_password_yet_does_not_get_in(self):
        users.create_user("Ben", "viewer", "test")
        make()
        for name, password in (
            ("Ben", ""),
            ("Ben", "nobody"),
            ("Nobody", "nobody"),
            ("Ann", ""),
            ("", GOOD),
            ("Ann", GOOD.upper()),
        ):
            assert users.check_password(name, password) is None


class TestUsers:
    def test_names_are_found_in_any_case_and_taken_for_good(self):
        make("Zoë Ann")
        assert users.check_password("  zoe\u0308  ANN ", GOOD) is not None
        with pytest.raises(NameTaken):
            make("ZOË ann")
        make("Ben")
        users.disable_user(users.find_user("zoë ann").id)
        with pytest.raises(NameTaken):
            make("Zoë Ann")

    @pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\u202eb", "a\x00b", "a\u2066b"])
    def test_a_name_that_cannot_be_shown_is_refused(self, name):
        with pytest.raises(InvalidInput):
            make(name)

    def test_there_is_always_an_owner(self):
        ann, ben = make(), make("Ben")
        users.change_role(ben, "viewer", False)
        for act in (lambda: users.disable_user(ann), lambda: users.change_role(ann, "manager", False)):
            with pytest.raises(Conflict, match="only owner"):
                act()
        users.change_role(ben, "owner", False)
        users.disable_user(ann)
        with pytest.raises(Conflict, match="only owner"):
            users.disable_user(ben)

    def test_two_owners_cannot_disable_each_other_at_the_same_moment(self, app):
        ids = [make(), make("Ben")]
        start = threading.Barrier(2)

        def disable(user_id: int) -> None:
            with app.app_context():
                start.wait(10)
                try:
                    users.disable_user(user_id)
                except Conflict:
                    pass
                finally:
                    db.session.remove()

        threads = [threading.Thread(target=disable, args=(user_id,)) for user_id in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
        db.session.rollback()
        assert len(db.session.scalars(select(User).where(User.disabled_at.is_(None))).all()) == 1

    def test_disabling_ends_sessions_and_codes(self):
        make()
        ben = make("Ben", "viewer")
        token = sign_ins.begin_session(ben, "127.0.0.1", "a browser")
        code = users.issue_password_code(ben)
        users.disable_user(ben)
        assert sign_ins.find_person(token) is None
        with pytest.raises(NotFound):
            users.set_password(code, OTHER)
        with pytest.raises(Conflict):
            users.issue_password_code(ben)
        users.enable_user(ben)
        assert users.check_password("Ben", GOOD) is not None
        assert sign_ins.find_person(token) is None

    def test_a_list_pages_and_searches(self):
        for number in range(52):
            user_called(f"User {number:02}", "viewer")
        first = users.list_users()
        assert (len(first.rows), first.total) == (50, 52)
        assert [row.name for row in users.list_users(first.next).rows] == ["User 50", "User 51"]
        assert [row.name for row in users.list_users(search="R 5").rows] == ["User 50", "User 51"]
        assert users.list_users(search="%").rows == []


class TestOneTimeLinks:
    def test_a_link_sets_the_password_once_and_ends_every_session(self):
        ann = make()
        token = sign_ins.begin_session(ann, "127.0.0.1", "a browser")
        code = users.issue_password_code(ann)
        assert users.check_password("Ann", GOOD) is not None
        assert users.set_password(code, OTHER) == "Ann"
        assert users.check_password("Ann", GOOD) is None
        assert users.check_password("Ann", OTHER) is not None
        assert sign_ins.find_person(token) is None
        with pytest.raises(NotFound, match="no longer valid"):
            users.set_password(code, GOOD)

    def test_a_newer_link_makes_the_older_void_and_each_lasts_a_day(self):
        ann = make()
        first, second = users.issue_password_code(ann), users.issue_password_code(ann)
        with pytest.raises(NotFound):
            users.set_password(first, OTHER)
        with writing() as session:
            session.execute(update(UserCode).values(expires_at=utcnow() - timedelta(seconds=1)))
        with pytest.raises(NotFound):
            users.set_password(second, OTHER)

    def test_the_tables_hold_no_code_and_no_token(self):
        ann = make()
        code, token = users.issue_password_code(ann), sign_ins.begin_session(ann, "127.0.0.1", "a browser")
        rows = [*db.session.execute(text("SELECT * FROM user_code")), *db.session.execute(text("SELECT * FROM user_session"))]
        stored = " ".join(str(value) for row in rows for value in row)
        for secret in (code, code.replace("-", ""), token):
            assert secret not in stored

    def test_a_code_for_one_thing_is_none_for_another(self):
        ann = make()
        with pytest.raises(NotFound):
            users.set_password(one_time_codes.issue_code("second_step", ann), OTHER)


def test_changing_the_password_takes_the_present_one_and_ends_every_session():
    ann = make()
    token = sign_ins.begin_session(ann, "127.0.0.1", "a browser")
    with pytest.raises(InvalidInput, match="not your current password"):
        users.change_password(ann, "wrong wrong wrong", OTHER)
    with pytest.raises(InvalidInput, match="at least 12"):
        users.change_password(ann, GOOD, "short")
    assert sign_ins.find_person(token) is not None
    users.change_password(ann, GOOD, OTHER)
    assert users.check_password("Ann", OTHER) is not None
    assert sign_ins.find_person(token) is None


def test_a_users_rows_go_with_the_user():
    """No page deletes users; an operator who does in the database leaves nothing behind."""
    ann = make()
    sign_ins.begin_session(ann, "127.0.0.1", "a browser")
    users.issue_password_code(ann)
    with writing() as session:
        session.execute(text('DELETE FROM "user"'))
    assert db.session.scalars(select(UserSession)).all() == []
    assert db.session.scalars(select(UserCode)).all() == []


class TestAResetEndsWhatWasBegun:
    """A person who knew the old password keeps nothing of it: no session, no step that waits for a code, no link, no known browser."""

    @pytest.fixture
    def ann(self, app) -> int:
        return users.create_user("Ann", "manager", "test", password=GOOD)

    def reset(self, ann: int) -> None:
        users.set_password(users.issue_password_code(ann), "orbit seven plum kettle")

    def change(self, ann: int) -> None:
        users.change_password(ann, GOOD, "orbit seven plum kettle")

    def disable(self, ann: int) -> None:
        users.disable_user(ann)
        users.enable_user(ann)

    def set_up(self, ann: int) -> str:
        """Switch two-step sign-in on; returns its seed."""
        two_step.begin_setup(ann)
        seed = two_step.setup_seed(ann).replace(" ", "")
        two_step.confirm_setup(ann, pyotp.TOTP(seed).at(time.time() - 30))
        return seed

    @pytest.mark.parametrize("act", ["reset", "change", "disable"])
    def test_all_of_it(self, ann, act):
        seed = self.set_up(ann)
        proof = two_step.begin_second_step(ann)
        token = sign_ins.begin_session(ann, "192.0.2.1", "a browser")
        browser = notifications.note_browser(ann, "", "a browser")
        link = users.issue_password_code(ann) if act != "reset" else ""
        getattr(self, act)(ann)
        assert two_step.pass_second_step(proof, pyotp.TOTP(seed).now()) is None
        assert sign_ins.find_person(token) is None
        assert notifications.known_browser("ann", browser) is None
        with pytest.raises(NotFound):
            users.set_password(link, "another kettle orbit plum")

    def test_a_set_up_of_the_second_step_that_is_not_confirmed(self, ann):
        two_step.begin_setup(ann)
        self.reset(ann)
        assert two_step.setup_uri(ann) is None

    def test_signing_out_everywhere_ends_a_sign_in_that_waits_for_its_code(self, ann):
        """The old password is still right, but anyone who has typed it has to begin again, and what a session has begun to set up is gone."""
        seed = self.set_up(ann)
        proof, link = two_step.begin_second_step(ann), users.issue_password_code(ann)
        sign_ins.end_all(ann)
        assert two_step.pass_second_step(proof, pyotp.TOTP(seed).now()) is None
        assert users.set_password(link, "another kettle orbit plum") == "Ann"

    def test_signing_out_everywhere_ends_a_set_up_that_is_not_confirmed(self, ann):
        """Otherwise a stranger's session could leave a seed behind that its user confirms."""
        two_step.begin_setup(ann)
        sign_ins.end_all(ann)
        assert two_step.setup_uri(ann) is None

    def test_switching_the_second_step_off_ends_a_sign_in_that_waits_for_its_code(self, ann):
        self.set_up(ann)
        proof = two_step.begin_second_step(ann)
        two_step.switch_off(ann)
        seed = self.set_up(ann)
        assert two_step.pass_second_step(proof, pyotp.TOTP(seed).now()) is None
