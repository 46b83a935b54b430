"""Signing in and out, a person's own account, users, and API tokens."""

from blueprints.accounts import account, labels, sign_in, tokens, users

blueprints = [sign_in.bp, account.bp, users.bp, tokens.bp]

__all__ = ["blueprints", "labels"]
