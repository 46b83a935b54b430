"""What one order is, for all that work with orders: its identity, number, columns, lines and money, and why it is on hold.

Not for reading, listing or shipping orders; no shop is asked here."""
