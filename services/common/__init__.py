"""What all packages share and what knows nothing of shops, orders or stock: claims and heartbeats, back-off, deadlocks, paging, files, text and
numbers.

It has no tables but that of settings. Not for what only one package needs; look here before you write a helper."""
