"""Call columns of ciphertext encrypted: the vault encrypts, it seals nothing

Revision ID: 0421
Revises: 0420
"""

from alembic import op

revision = "0421"
down_revision = "0420"
branch_labels = None
depends_on = None

RENAMED = (
    ("shop", "identity_key_sealed", "identity_key_encrypted"),
    ("integration", "key_sealed", "key_encrypted"),
    ("draft", "answers_sealed", "answers_encrypted"),
    ("draft", "found_sealed", "found_encrypted"),
    ("webhook", "secret_sealed", "secret_encrypted"),
    ("user", "two_step_sealed", "two_step_encrypted"),
    ("user", "two_step_next_sealed", "two_step_next_encrypted"),
)


def upgrade() -> None:
    for table, old, new in RENAMED:
        op.execute(f'ALTER TABLE "{table}" RENAME COLUMN {old} TO {new}')


def downgrade() -> None:
    for table, old, new in RENAMED:
        op.execute(f'ALTER TABLE "{table}" RENAME COLUMN {new} TO {old}')
