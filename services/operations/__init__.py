"""What keeps an installation running: backup and restore, doctor, support bundle, retention, personal data of customers, metrics and
readiness. It looks at the tables of every other package.

Not for what sellers do with orders and stock. Nothing here changes anything in a shop."""
