"""Pages and files at 1,000 orders and at a million, on SQLite and PostgreSQL.

    python -m bench.large [--db sqlite|postgresql] [--orders N] [--folder F] [--only NAME]

``fill`` makes a large installation of a small one, once; ``place`` keeps both and opens them; ``timing`` asks the same pages of both,
``downloads`` reads the same files.
"""
