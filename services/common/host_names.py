"""What is said at once about a host that a person enters and that is not found. It is saved anyway: name servers may be away for a while, and
a name may be set up later."""

from __future__ import annotations


def not_found(host: str) -> str:
    return (
        f"The host {host} was not found. Check how it is written. If it is right, you need not do anything: Cartlink tries again."
    )
