"""``flask keys``: the keyring that seals stored secrets, checked and renewed."""

from __future__ import annotations

from cli.failures import Group
from cli.output import say
from services import keyring, vault

group = Group("keys", help="The keyring that seals stored secrets: check, rotate, retire.")


@group.command("check")
def check() -> None:
    """Open every stored secret, to see that keyring and database belong together."""
    say(f"All {keyring.check_all()} stored secrets can be read with this keyring.")


@group.command("rotate")
def rotate() -> None:
    """Seal every stored secret anew, with a new key where the keys are in a file."""
    count = keyring.rotate()
    file = vault.keyring().file
    if file:
        say(f"{count} secrets are sealed with a new key, the first in {file}. Back it up now.")
        say("The old keys stay in it for your older backups; `flask keys retire` takes them out.")
    else:
        say(
            f"{count} secrets are sealed with the first key of SECRET_KEYS. To renew it, put a new one before it, restart all parts"
        )
        say("and run this again.")


@group.command("retire")
def retire() -> None:
    """Take all keys but the newest out of the keyring. Older backups cannot be read with it any more."""
    count = keyring.retire()
    say(f"{count} old keys are gone from the keyring." if count != 1 else "The old key is gone from the keyring.")
