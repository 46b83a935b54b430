"""What is done to a connected shop as a whole: enable, disable and remove it, its settings, its problems, and what its page and the list of
integrations show.

Not for its flows, its channel or its health (``shops``), nor for adding it (``onboarding``)."""
