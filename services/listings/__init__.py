"""The products and variants of shops: read, linked to stock items, and pushed with the quantity that each should offer.

Not for how much there is of a stock item, which is in ``stock``. It imports nothing of ``orders``."""
