"""From an address and a key to a connected shop: drafts, the check of a connection, suggested answers, the preview of an import, whether
the shop is known already, and a new address or key for a connected one.

Not for what can be changed afterwards, which is in ``integrations``."""
