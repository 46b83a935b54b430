"""flows in a table of their own

Revision ID: 0400
Revises: 0410
Create Date: 2026-11-26 17:00:00.000000

The columns of ``integration`` about each kind of sync and the table ``health_part`` become ``flow``. The kind of run that was called
"receipts" is called "reconciliation".
"""
from alembic import op
import sqlalchemy as sa

from models.types import Moment

# revision identifiers, used by Alembic.
revision = "0400"
down_revision = "0410"
branch_labels = None
depends_on = None

FAILING = sa.text('failing_since IS NOT NULL')
PROBED = sa.text('probe_due_at IS NOT NULL')
# kind -> the columns of integration that held its switch, interval, due time and last success
KINDS = {
    'orders': ('orders_on', 'orders_every', 'orders_due_at', 'orders_done_at'),
    'stock': ('stock_on', 'stock_every', 'stock_due_at', 'stock_done_at'),
    'listings': (None, 'listings_every', 'listings_due_at', 'listings_done_at'),
    'shipments': ('shipments_on', None, 'shipments_due_at', 'shipments_done_at'),
    'reconciliation': ('orders_on', None, 'receipts_due_at', 'receipts_done_at'),
    'connection': (None, None, 'probe_due_at', None),
}
DUE = ('orders', 'stock', 'listings', 'shipments', 'receipts')


def upgrade():
    op.create_table(
        'flow',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('integration_id', sa.Integer(), nullable=False),
        sa.Column('kind', sa.String(length=20), nullable=False),
        sa.Column('enabled', sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column('interval_seconds', sa.Integer(), nullable=True),
        sa.Column('due_at', Moment(), nullable=True),
        sa.Column('succeeded_at', Moment(), nullable=True),
        sa.Column('failing_since', Moment(), nullable=True),
        sa.Column('failed_at', Moment(), nullable=True),
        sa.Column('failures', sa.Integer(), server_default='0', nullable=False),
        sa.Column('retry_at', Moment(), nullable=True),
        sa.Column('probed_at', Moment(), nullable=True),
        sa.Column('error_code', sa.String(length=30), server_default='', nullable=False),
        sa.Column('error', sa.Text(), server_default='', nullable=False),
        sa.Column('advice', sa.Text(), server_default='', nullable=False),
        sa.ForeignKeyConstraint(['integration_id'], ['integration.id'], name=op.f('fk_flow_integration_id_integration'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_flow')),
    )
    for kind, (enabled, interval, due, done) in KINDS.items():
        op.execute(sa.text(
            f"INSERT INTO flow (integration_id, kind, enabled, interval_seconds, due_at, succeeded_at) "
            f"SELECT id, '{kind}', {enabled or 'true'}, {interval or 'NULL'}, {due}, {done or 'NULL'} FROM integration ORDER BY id"
        ))
    # What health_part says of a flow is never older than what the integration says. The connection has worked when any run has.
    part = "CASE flow.kind WHEN 'reconciliation' THEN 'receipts' ELSE flow.kind END"
    names = ('failing_since', 'failed_at', 'probed_at')
    op.execute(sa.text(
        "UPDATE flow SET succeeded_at = coalesce(p.good_at, succeeded_at), failures = p.failures, error_code = p.code, "
        "error = p.message, advice = p.advice, " + ', '.join(f'{name} = p.{name}' for name in names)
        + f" FROM health_part AS p WHERE p.integration_id = flow.integration_id AND p.part = {part}"
    ))
    op.execute(sa.text(
        "UPDATE flow SET succeeded_at = (SELECT max(other.succeeded_at) FROM flow AS other WHERE other.integration_id = flow.integration_id "
        "AND other.kind IN ('orders', 'stock', 'listings')) WHERE kind = 'connection' AND succeeded_at IS NULL"
    ))
    op.execute(sa.text("UPDATE flow SET retry_at = due_at WHERE failing_since IS NOT NULL AND kind <> 'connection'"))
    op.create_index('uq_flow_kind', 'flow', ['integration_id', 'kind'], unique=True)
    op.create_index('ix_flow_due', 'flow', ['kind', 'due_at'])
    op.create_index('ix_flow_failing', 'flow', ['failing_since'], sqlite_where=FAILING, postgresql_where=FAILING)
    op.drop_table('health_part')
    for kind in DUE:
        op.drop_index(f'ix_integration_{kind}_due', 'integration')
    op.drop_index('ix_integration_probe_due', 'integration')
    columns = dict.fromkeys(name for names in KINDS.values() for name in names if name)
    for name in (*columns, 'undo_done_at', 'failures', 'failing'):
        op.drop_column('integration', name)
    if op.get_bind().dialect.name == 'postgresql':
        op.alter_column('sync_run', 'kind', type_=sa.String(length=20))
    _rename('receipts', 'reconciliation')


def downgrade():
    _rename('reconciliation', 'receipts')
    if op.get_bind().dialect.name == 'postgresql':
        op.alter_column('sync_run', 'kind', type_=sa.String(length=10))
    for enabled, interval, *moments in KINDS.values():
        if enabled and enabled not in _columns():
            op.add_column('integration', sa.Column(enabled, sa.Boolean(), server_default=sa.true(), nullable=False))
        if interval:
            op.add_column('integration', sa.Column(interval, sa.Integer(), server_default='300', nullable=False))
        for name in filter(None, moments):
            op.add_column('integration', sa.Column(name, Moment(), nullable=True))
    op.add_column('integration', sa.Column('undo_done_at', Moment(), nullable=True))
    op.add_column('integration', sa.Column('failures', sa.Integer(), server_default='0', nullable=False))
    op.add_column('integration', sa.Column('failing', sa.String(length=80), server_default='', nullable=False))
    op.create_table(
        'health_part',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('integration_id', sa.Integer(), nullable=False),
        sa.Column('part', sa.String(length=12), nullable=False),
        sa.Column('good_at', Moment(), nullable=True),
        sa.Column('failing_since', Moment(), nullable=True),
        sa.Column('failed_at', Moment(), nullable=True),
        sa.Column('failures', sa.Integer(), nullable=False),
        sa.Column('probed_at', Moment(), nullable=True),
        sa.Column('code', sa.String(length=30), nullable=False),
        sa.Column('message', sa.Text(), nullable=False),
        sa.Column('advice', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(['integration_id'], ['integration.id'], name=op.f('fk_health_part_integration_id_integration'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_health_part')),
    )
    for kind, (enabled, interval, due, done) in KINDS.items():
        pairs = [(due, 'due_at'), (done, 'succeeded_at'), (interval, 'interval_seconds')]
        if kind != 'reconciliation':
            pairs.append((enabled, 'enabled'))
        values = ', '.join(f'{name} = flow.{source}' for name, source in pairs if name)
        op.execute(sa.text(f"UPDATE integration SET {values} FROM flow WHERE flow.integration_id = integration.id AND flow.kind = '{kind}'"))
    part = "CASE kind WHEN 'reconciliation' THEN 'receipts' ELSE kind END"
    op.execute(sa.text(
        f"INSERT INTO health_part (integration_id, part, good_at, failing_since, failed_at, failures, probed_at, code, message, advice) "
        f"SELECT integration_id, {part}, succeeded_at, failing_since, failed_at, failures, probed_at, error_code, error, advice "
        "FROM flow WHERE succeeded_at IS NOT NULL OR failed_at IS NOT NULL ORDER BY id"
    ))
    for kind in ('connection', 'listings', 'orders', 'receipts', 'shipments', 'stock'):
        op.execute(sa.text(
            f"UPDATE integration SET failing = ltrim(failing || ' {kind}') WHERE EXISTS (SELECT 1 FROM health_part AS p "
            f"WHERE p.integration_id = integration.id AND p.part = '{kind}' AND p.failing_since IS NOT NULL)"
        ))
    op.execute(sa.text(
        "UPDATE integration SET failures = coalesce((SELECT max(p.failures) FROM health_part AS p "
        "WHERE p.integration_id = integration.id AND p.failing_since IS NOT NULL), 0)"
    ))
    op.drop_table('flow')
    op.create_index('uq_health_part', 'health_part', ['integration_id', 'part'], unique=True)
    op.create_index('ix_health_part_failing', 'health_part', ['failing_since'], sqlite_where=FAILING, postgresql_where=FAILING)
    for kind in DUE:
        op.create_index(f'ix_integration_{kind}_due', 'integration', [f'{kind}_due_at'])
    op.create_index('ix_integration_probe_due', 'integration', ['probe_due_at'], sqlite_where=PROBED, postgresql_where=PROBED)


def _columns():
    return {column['name'] for column in sa.inspect(op.get_bind()).get_columns('integration')}


def _rename(old, new):
    """Rename a kind of run, in the runs and in the totals of the metrics, whose labels begin with it."""
    op.execute(sa.text('UPDATE sync_run SET kind = :new WHERE kind = :old').bindparams(old=old, new=new))
    op.execute(sa.text(
        "UPDATE tally SET labels = :new || substr(labels, :rest) WHERE labels = :old OR labels LIKE :start"
    ).bindparams(old=old, new=new, rest=len(old) + 1, start=f'{old}|%'))
