"""``flask keys``: check and renew the keyring that encrypts stored secrets."""

from __future__ import annotations

from cli.failures import Group
from cli.inputs import agree, yes_option
from cli.output import say
from services.security import keyring, vault

group = Group("keys", help="The keyring that encrypts stored secrets: check, rotate, retire.")


@group.command("check")
def check() -> None:
    """Decrypt every stored secret, to check that keyring and database belong together."""
    say(f"All {keyring.check_all()} stored secrets can be read with this keyring.")


@group.command("rotate")
def rotate() -> None:
    """Encrypt every stored secret again, with a new key if the keys are in a file."""
    count = keyring.rotate()
    file = vault.keyring().file
    if file:
        say(f"{count} secrets are encrypted with a new key, the first in {file}. Back it up now.")
        say("The old keys stay in it for your older backups; `flask keys retire` takes them out.")
    else:
        say(
            f"{count} secrets are encrypted with the first key of SECRET_KEYS. To renew it, put a new one before it, restart all parts"
        )
        say("and run this again.")


@group.command("retire")
@yes_option
def retire(yes: bool) -> None:
    """Remove all keys but the newest from the keyring. It can no longer read older backups."""
    keyring.check_retiring()
    agree(yes, "Remove all keys but the newest? Backups that were made before the last rotation cannot be read after that.")
    count = keyring.retire()
    say(f"{count} old keys are gone from the keyring." if count != 1 else "The old key is gone from the keyring.")
