"""Supplier stock feeds: suppliers, the files of quantities that are fetched from them on a schedule, and the offers these bring. It decides what
the on hand of fed stock items is, and knows nothing of how a file is transferred (``channels/remote_files``) or of pages.

An offer is not stock: own stock items are never changed by a feed."""
