"""What to do about a failed check while a shop is being added. (Runs of connected shops are repeated.)"""

from __future__ import annotations

from channels.base import PLAIN_HTTP

AGAIN = {
    "unreachable": "Check the website end point, and whether the shop is up.",
    "timeout": "The shop is slow or overloaded. Check the website end point, or try again later.",
    "busy": "Try again in a minute.",
    "maintenance": "Try again when the shop is back.",
    "broken": "Check the website end point, or try again later. If it lasts, the shop's own error log says why.",
    "database": "Try again later. If it lasts, ask the shop's host about the database.",
    "suspended": "Ask the shop's host why the account is suspended, and try again when the shop is back.",
}
HOST_FIRST = ("php_messages", "staging_password", "method_blocked", "body_changed", "firewall")
"""Verdicts whose advice is a question to the shop's host."""


def advice(verdict: str, given: str) -> str:
    """The advice for a verdict; ``given`` is what the check itself advises."""
    if verdict in HOST_FIRST:
        return f"{given} Then try again."
    return AGAIN.get(verdict, given)


def further_advice(given: str) -> str:
    """The advice of a check that succeeded, without the warning that the step of the address shows already."""
    return given.replace(PLAIN_HTTP, "").strip()


def address_warning(endpoint: str) -> str:
    """The warning about an end point that is shown before anything is sent there; empty if there is none."""
    return PLAIN_HTTP if endpoint.startswith("http:") else ""
