"""Messages to people: notifications and their texts, who gets which, and the outbox of mails.

Not for messages to programs (``events``), nor for deciding that something is wrong (``monitoring``)."""
