"""How much there is and who takes it: stock items, the ledger through which every change goes, allocations of order lines, and files of
quantities.

Not for what a shop is sent, which is in ``listings``. It sends no request."""
