"""Where a connected shop is: find its integration, open its channel within the limits of the settings, its flows, its health, and the kinds of
sales channels there are.

Not for changing an integration, which is in ``integrations``."""
