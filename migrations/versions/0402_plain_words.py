"""tables and columns in plain words

Revision ID: 0402
Revises: 0401
Create Date: 2026-11-26 18:00:00.000000

Notices are notifications, their settings preferences; the brake is a safety limit.
"""
from alembic import op
import sqlalchemy as sa

# revision identifiers, used by Alembic.
revision = "0402"
down_revision = "0401"
branch_labels = None
depends_on = None

UNREAD = sa.text('read_at IS NULL')
COLUMNS = (
    ('brake_percent', 'safety_limit_percent'), ('brake_least', 'safety_limit_least'), ('mail_told_at', 'mail_warned_at'),
)


def upgrade():
    _move('notice', 'notification')
    op.rename_table('notice_setting', 'preference')
    for old, new in COLUMNS:
        _rename(old, new)
    op.execute(sa.text("UPDATE setting SET name = 'metrics_rolled_to' WHERE name = 'figures_rolled_to'"))


def downgrade():
    op.execute(sa.text("UPDATE setting SET name = 'figures_rolled_to' WHERE name = 'metrics_rolled_to'"))
    for old, new in COLUMNS:
        _rename(new, old)
    op.rename_table('preference', 'notice_setting')
    _move('notification', 'notice')


def _move(old, new):
    """Rename a table and its indexes; SQLite cannot rename an index."""
    for index in (f'uq_{old}', f'ix_{old}_unread', f'ix_{old}_user_at', f'ix_{old}_incident_id'):
        op.drop_index(index, old)
    op.rename_table(old, new)
    op.create_index(f'uq_{new}', new, ['user_id', 'incident_id'], unique=True)
    op.create_index(f'ix_{new}_unread', new, ['user_id'], sqlite_where=UNREAD, postgresql_where=UNREAD)
    op.create_index(f'ix_{new}_user_at', new, ['user_id', 'at'])
    op.create_index(f'ix_{new}_incident_id', new, ['incident_id'])


def _rename(old, new):
    op.execute(sa.text(f'ALTER TABLE integration RENAME COLUMN {old} TO {new}'))
    op.execute(sa.text('UPDATE setting_change SET name = :new WHERE name = :old').bindparams(old=old, new=new))
