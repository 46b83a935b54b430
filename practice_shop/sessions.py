"""The shop's session table."""

import secrets

from .replies import Reply


def keep_session(store, request, reply: Reply) -> Reply:
    """Without its cookie each call starts a session, and leaves a row of it in the shop."""
    if request.cookies.get("xid") not in store.sessions:
        session = secrets.token_hex(16)
        store.sessions.add(session)
        reply.headers["Set-Cookie"] = f"xid={session}; path=/; HttpOnly"
    return reply
