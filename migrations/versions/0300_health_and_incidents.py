"""health and incidents

Revision ID: 0300
Revises: 0200
Create Date: 2026-11-23 19:10:53.286360

"""
from alembic import op
import sqlalchemy as sa

import models.types


# revision identifiers, used by Alembic.
revision = "0300"
down_revision = "0200"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('webhook',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('url', sa.String(length=500), nullable=False),
    sa.Column('secret_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('topics', sa.JSON(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('changed_at', models.types.Moment(timezone=True), nullable=False),
    sa.Column('changed_by', sa.String(length=100), nullable=False),
    sa.Column('good_at', models.types.Moment(timezone=True), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook'))
    )
    op.create_table('delivery',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=36), nullable=False),
    sa.Column('way', sa.String(length=10), nullable=False),
    sa.Column('about', sa.String(length=10), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=True),
    sa.Column('webhook_id', sa.Integer(), nullable=True),
    sa.Column('address', sa.String(length=254), nullable=False),
    sa.Column('events', sa.JSON(), nullable=False),
    sa.Column('content', sa.JSON(), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('due_at', models.types.Moment(timezone=True), nullable=False),
    sa.Column('token', sa.String(length=32), nullable=False),
    sa.Column('lease_until', models.types.Moment(timezone=True), nullable=True),
    sa.Column('created_at', models.types.Moment(timezone=True), nullable=False),
    sa.Column('finished_at', models.types.Moment(timezone=True), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_delivery_user_id_user'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['webhook_id'], ['webhook.id'], name=op.f('fk_delivery_webhook_id_webhook'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_delivery')),
    sa.UniqueConstraint('key', name=op.f('uq_delivery_key'))
    )
    with op.batch_alter_table('delivery', schema=None) as batch_op:
        batch_op.create_index('ix_delivery_finished', ['finished_at'], unique=False)
        batch_op.create_index('ix_delivery_open', ['due_at'], unique=False, sqlite_where=sa.text("state IN ('waiting', 'sending')"), postgresql_where=sa.text("state IN ('waiting', 'sending')"))
        batch_op.create_index('ix_delivery_user', ['user_id', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_delivery_webhook_id'), ['webhook_id'], unique=False)

    op.create_table('known_browser',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('token_hash', sa.LargeBinary(), nullable=False),
    sa.Column('seen_at', models.types.Moment(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_known_browser_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_known_browser'))
    )
    with op.batch_alter_table('known_browser', schema=None) as batch_op:
        batch_op.create_index('uq_known_browser', ['user_id', 'token_hash'], unique=True)

    op.create_table('notice_setting',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('email', sa.String(length=254), nullable=False),
    sa.Column('choices', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_notice_setting_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notice_setting')),
    sa.UniqueConstraint('user_id', name=op.f('uq_notice_setting_user_id'))
    )
    op.create_table('order_rhythm',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('shop_id', sa.Integer(), nullable=False),
    sa.Column('learned_at', models.types.Moment(timezone=True), nullable=True),
    sa.Column('first_hour', models.types.Moment(timezone=True), nullable=True),
    sa.Column('hours', sa.JSON(), nullable=False),
    sa.Column('due_at', models.types.Moment(timezone=True), nullable=True),
    sa.Column('asked_at', models.types.Moment(timezone=True), nullable=True),
    sa.Column('verdict', sa.String(length=10), nullable=False),
    sa.ForeignKeyConstraint(['shop_id'], ['shop.id'], name=op.f('fk_order_rhythm_shop_id_shop'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_order_rhythm')),
    sa.UniqueConstraint('shop_id', name=op.f('uq_order_rhythm_shop_id'))
    )
    with op.batch_alter_table('order_rhythm', schema=None) as batch_op:
        batch_op.create_index('ix_order_rhythm_due', ['due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))

    op.create_table('health_part',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('integration_id', sa.Integer(), nullable=False),
    sa.Column('part', sa.String(length=12), nullable=False),
    sa.Column('good_at', models.types.Moment(timezone=True), nullable=True),
    sa.Column('failing_since', models.types.Moment(timezone=True), nullable=True),
    sa.Column('failed_at', models.types.Moment(timezone=True), nullable=True),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('probed_at', models.types.Moment(timezone=True), nullable=True),
    sa.Column('code', sa.String(length=30), nullable=False),
    sa.Column('message', sa.Text(), nullable=False),
    sa.Column('advice', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['integration_id'], ['integration.id'], name=op.f('fk_health_part_integration_id_integration'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_health_part'))
    )
    with op.batch_alter_table('health_part', schema=None) as batch_op:
        batch_op.create_index('ix_health_part_failing', ['failing_since'], unique=False, sqlite_where=sa.text('failing_since IS NOT NULL'), postgresql_where=sa.text('failing_since IS NOT NULL'))
        batch_op.create_index('uq_health_part', ['integration_id', 'part'], unique=True)

    op.create_table('incident',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('integration_id', sa.Integer(), nullable=False),
    sa.Column('cause', sa.String(length=30), nullable=False),
    sa.Column('since', models.types.Moment(timezone=True), nullable=False),
    sa.Column('opened_at', models.types.Moment(timezone=True), nullable=False),
    sa.Column('resolved_at', models.types.Moment(timezone=True), nullable=True),
    sa.Column('resolution', sa.String(length=20), nullable=False),
    sa.Column('remind_at', models.types.Moment(timezone=True), nullable=True),
    sa.Column('reopened', sa.Integer(), nullable=False),
    sa.Column('facts', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['integration_id'], ['integration.id'], name=op.f('fk_incident_integration_id_integration'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_incident'))
    )
    with op.batch_alter_table('incident', schema=None) as batch_op:
        batch_op.create_index('ix_incident_integration', ['integration_id', 'cause'], unique=False)
        batch_op.create_index('ix_incident_resolved', ['resolved_at'], unique=False)
        batch_op.create_index('uq_incident_open', ['integration_id', 'cause'], unique=True, sqlite_where=sa.text('resolved_at IS NULL'), postgresql_where=sa.text('resolved_at IS NULL'))

    op.create_table('incident_event',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('incident_id', sa.Integer(), nullable=False),
    sa.Column('at', models.types.Moment(timezone=True), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('actor', sa.String(length=100), nullable=False),
    sa.ForeignKeyConstraint(['incident_id'], ['incident.id'], name=op.f('fk_incident_event_incident_id_incident'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_incident_event'))
    )
    with op.batch_alter_table('incident_event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_incident_event_incident_id'), ['incident_id'], unique=False)

    op.create_table('notice',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('incident_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('at', models.types.Moment(timezone=True), nullable=False),
    sa.Column('read_at', models.types.Moment(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['incident_id'], ['incident.id'], name=op.f('fk_notice_incident_id_incident'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_notice_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notice'))
    )
    with op.batch_alter_table('notice', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_notice_incident_id'), ['incident_id'], unique=False)
        batch_op.create_index('ix_notice_unread', ['user_id'], unique=False, sqlite_where=sa.text('read_at IS NULL'), postgresql_where=sa.text('read_at IS NULL'))
        batch_op.create_index('ix_notice_user_at', ['user_id', 'at'], unique=False)
        batch_op.create_index('uq_notice', ['user_id', 'incident_id'], unique=True)

    with op.batch_alter_table('integration', schema=None) as batch_op:
        batch_op.add_column(sa.Column('failing', sa.String(length=80), server_default='', nullable=False))
        batch_op.add_column(sa.Column('paused_at', models.types.Moment(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('pause_warned_at', models.types.Moment(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('probe_due_at', models.types.Moment(timezone=True), nullable=True))
        batch_op.create_index('ix_integration_probe_due', ['probe_due_at'], unique=False, sqlite_where=sa.text('probe_due_at IS NOT NULL'), postgresql_where=sa.text('probe_due_at IS NOT NULL'))



def downgrade():
    with op.batch_alter_table('integration', schema=None) as batch_op:
        batch_op.drop_index('ix_integration_probe_due', sqlite_where=sa.text('probe_due_at IS NOT NULL'), postgresql_where=sa.text('probe_due_at IS NOT NULL'))
        batch_op.drop_column('probe_due_at')
        batch_op.drop_column('pause_warned_at')
        batch_op.drop_column('paused_at')
        batch_op.drop_column('failing')

    with op.batch_alter_table('notice', schema=None) as batch_op:
        batch_op.drop_index('uq_notice')
        batch_op.drop_index('ix_notice_user_at')
        batch_op.drop_index('ix_notice_unread', sqlite_where=sa.text('read_at IS NULL'), postgresql_where=sa.text('read_at IS NULL'))
        batch_op.drop_index(batch_op.f('ix_notice_incident_id'))

    op.drop_table('notice')
    with op.batch_alter_table('incident_event', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_incident_event_incident_id'))

    op.drop_table('incident_event')
    with op.batch_alter_table('incident', schema=None) as batch_op:
        batch_op.drop_index('uq_incident_open', sqlite_where=sa.text('resolved_at IS NULL'), postgresql_where=sa.text('resolved_at IS NULL'))
        batch_op.drop_index('ix_incident_resolved')
        batch_op.drop_index('ix_incident_integration')

    op.drop_table('incident')
    with op.batch_alter_table('health_part', schema=None) as batch_op:
        batch_op.drop_index('uq_health_part')
        batch_op.drop_index('ix_health_part_failing', sqlite_where=sa.text('failing_since IS NOT NULL'), postgresql_where=sa.text('failing_since IS NOT NULL'))

    op.drop_table('health_part')
    with op.batch_alter_table('order_rhythm', schema=None) as batch_op:
        batch_op.drop_index('ix_order_rhythm_due', sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))

    op.drop_table('order_rhythm')
    op.drop_table('notice_setting')
    with op.batch_alter_table('known_browser', schema=None) as batch_op:
        batch_op.drop_index('uq_known_browser')

    op.drop_table('known_browser')
    with op.batch_alter_table('delivery', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_delivery_webhook_id'))
        batch_op.drop_index('ix_delivery_user')
        batch_op.drop_index('ix_delivery_open', sqlite_where=sa.text("state IN ('waiting', 'sending')"), postgresql_where=sa.text("state IN ('waiting', 'sending')"))
        batch_op.drop_index('ix_delivery_finished')

    op.drop_table('delivery')
    op.drop_table('webhook')
