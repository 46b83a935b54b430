"""The shop's table of sessions. It grows by a row with each request that sends no cookie, as in a real shop."""

import secrets

from .replies import Reply


def keep_session(store, request, reply: Reply) -> Reply:
    """Start a session for a request without a known cookie, and set the cookie on its reply."""
    if request.cookies.get("xid") not in store.sessions:
        session = secrets.token_hex(16)
        store.sessions.add(session)
        reply.headers["Set-Cookie"] = f"xid={session}; path=/; HttpOnly"
    return reply
