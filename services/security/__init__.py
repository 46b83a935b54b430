"""Secrets and proof: the keyring and what is encrypted with it, and the audit trail of every change.

Not for signing in, which is in ``accounts``."""
