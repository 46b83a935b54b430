"""The check of an address and a key: which generation a shop speaks, and what the key may do. It changes nothing in the shop."""
