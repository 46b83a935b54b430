"""The people who sign in and the programs that hold a token: users, passwords, sign-ins, two-step sign-in, one-time codes, API tokens, and how
each user sees lists.

Not for who may open which page, which is in ``blueprints/access.py``."""
