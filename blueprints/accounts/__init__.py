"""Signing in and out, a person's own account, users, API tokens, and how each user sees the lists."""

from blueprints.accounts import account, labels, list_views, sign_in, tokens, users

blueprints = [sign_in.bp, account.bp, users.bp, tokens.bp, list_views.bp]

__all__ = ["blueprints", "labels"]
