"""tables of data, features and monitoring."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = '0001'


def upgrade() -> None:
    op.create_table('contract_proposal',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('contract', sa.Text(), nullable=False),
    sa.Column('contract_id', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('column', sa.Text(), nullable=False),
    sa.Column('content', sa.Text(), nullable=False),
    sa.Column('score', sa.Float(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('decided_by', sa.Text(), nullable=True),
    sa.Column('decided_at', sa.BigInteger(), nullable=True),
    sa.Column('result_id', sa.Text(), nullable=True),
    sa.Column('lock_version', sa.Integer(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_contract_proposal'))
    )
    op.create_index(op.f('ix_contract_proposal_contract'), 'contract_proposal', ['contract'], unique=False)
    op.create_index(op.f('ix_contract_proposal_state'), 'contract_proposal', ['state'], unique=False)
    op.create_table('data_contract',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('owner', sa.Text(), nullable=False),
    sa.Column('content', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_data_contract')),
    sa.UniqueConstraint('workspace_id', 'name', 'version', name=op.f('uq_data_contract_workspace_id_name_version'))
    )
    op.create_table('dataset_removal',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('dataset_id', sa.Text(), nullable=False),
    sa.Column('row_key', sa.Text(), nullable=False),
    sa.Column('removed_in', sa.Integer(), nullable=False),
    sa.Column('rule', sa.Text(), nullable=False),
    sa.Column('evidence', sa.Text(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'dataset_id', 'row_key', 'removed_in', name=op.f('pk_dataset_removal')),
    sqlite_with_rowid=False
    )
    op.create_table('dataset_set_aside',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('dataset_id', sa.Text(), nullable=False),
    sa.Column('row_key', sa.Text(), nullable=False),
    sa.Column('batch', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'dataset_id', 'row_key', 'batch', name=op.f('pk_dataset_set_aside'))
    )
    op.create_table('dataset_table_place',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('version_id', sa.Text(), nullable=False),
    sa.Column('dataset_id', sa.Text(), nullable=False),
    sa.Column('contract_id', sa.Text(), nullable=False),
    sa.Column('lance_version', sa.BigInteger(), nullable=False),
    sa.Column('rows_digest', sa.Text(), nullable=False),
    sa.Column('run_id', sa.Text(), nullable=True),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'version_id', name=op.f('pk_dataset_table_place')),
    sa.UniqueConstraint('workspace_id', 'dataset_id', 'run_id', name=op.f('uq_dataset_table_place_workspace_id_dataset_id_run_id'))
    )
    op.create_table('dataset_tag',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('dataset_id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('version_id', sa.Text(), nullable=False),
    sa.Column('lock_version', sa.Integer(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'dataset_id', 'name', name=op.f('pk_dataset_tag'))
    )
    op.create_index(op.f('ix_dataset_tag_version_id'), 'dataset_tag', ['version_id'], unique=False)
    op.create_table('dataset_tombstone',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('dataset_id', sa.Text(), nullable=False),
    sa.Column('key_hash', sa.Text(), nullable=False),
    sa.Column('withdrawal_id', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'dataset_id', 'key_hash', name=op.f('pk_dataset_tombstone'))
    )
    op.create_table('dataset_withdrawal',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('target', sa.Text(), nullable=False),
    sa.Column('salt', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('report', sa.Text(), nullable=False),
    sa.Column('lock_version', sa.Integer(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_dataset_withdrawal'))
    )
    op.create_table('dataset_withdrawn',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('version_id', sa.Text(), nullable=False),
    sa.Column('withdrawal_id', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'version_id', name=op.f('pk_dataset_withdrawn'))
    )
    op.create_index(op.f('ix_dataset_withdrawn_withdrawal_id'), 'dataset_withdrawn', ['withdrawal_id'], unique=False)
    op.create_table('event_id',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('event', sa.Text(), nullable=False),
    sa.Column('revision', sa.BigInteger(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('event_us', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'source', 'event', name=op.f('pk_event_id'))
    )
    op.create_table('event_log',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('last_position', sa.BigInteger(), nullable=False),
    sa.Column('events', sa.Integer(), nullable=False),
    sa.Column('min_event_us', sa.BigInteger(), nullable=False),
    sa.Column('max_event_us', sa.BigInteger(), nullable=False),
    sa.Column('available_us', sa.BigInteger(), nullable=False),
    sa.Column('data', sa.LargeBinary(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'source', 'position', name=op.f('pk_event_log'))
    )
    op.create_index(op.f('ix_event_log_workspace_id_source_max_event_us'), 'event_log', ['workspace_id', 'source', 'max_event_us'], unique=False)
    op.create_table('event_producer',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('producer', sa.Text(), nullable=False),
    sa.Column('sequence', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'source', 'producer', name=op.f('pk_event_producer'))
    )
    op.create_table('event_replaced',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('by_position', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'source', 'position', name=op.f('pk_event_replaced'))
    )
    op.create_table('event_source',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('declared', sa.Text(), nullable=False),
    sa.Column('next_position', sa.BigInteger(), nullable=False),
    sa.Column('available_us', sa.BigInteger(), nullable=False),
    sa.Column('watermark_us', sa.BigInteger(), nullable=True),
    sa.Column('ids_from_us', sa.BigInteger(), nullable=True),
    sa.Column('duplicates', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'name', name=op.f('pk_event_source'))
    )
    op.create_table('feature_late',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('view', sa.Text(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('entity', sa.Text(), nullable=False),
    sa.Column('event_us', sa.BigInteger(), nullable=False),
    sa.Column('available_us', sa.BigInteger(), nullable=False),
    sa.Column('behind_us', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'view', 'position', name=op.f('pk_feature_late'))
    )
    op.create_table('feature_latest',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('view', sa.Text(), nullable=False),
    sa.Column('entity', sa.Text(), nullable=False),
    sa.Column('rows', sa.LargeBinary(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'view', 'entity', name=op.f('pk_feature_latest'))
    )
    op.create_table('feature_online',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('view', sa.Text(), nullable=False),
    sa.Column('entity', sa.Text(), nullable=False),
    sa.Column('definition', sa.Text(), nullable=False),
    sa.Column('event_us', sa.BigInteger(), nullable=False),
    sa.Column('available_us', sa.BigInteger(), nullable=False),
    sa.Column('blob', sa.LargeBinary(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'view', 'entity', name=op.f('pk_feature_online'))
    )
    op.create_table('feature_refused',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('view', sa.Text(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('event', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'view', 'position', name=op.f('pk_feature_refused'))
    )
    op.create_table('feature_release',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('view', sa.Text(), nullable=False),
    sa.Column('view_hash', sa.Text(), nullable=False),
    sa.Column('replay_id', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'view', name=op.f('pk_feature_release'))
    )
    op.create_table('feature_replay',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('view', sa.Text(), nullable=False),
    sa.Column('view_hash', sa.Text(), nullable=False),
    sa.Column('passed', sa.Boolean(), nullable=False),
    sa.Column('report', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_feature_replay'))
    )
    op.create_index(op.f('ix_feature_replay_workspace_id_view_view_hash'), 'feature_replay', ['workspace_id', 'view', 'view_hash'], unique=False)
    op.create_table('feature_served',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('view', sa.Text(), nullable=False),
    sa.Column('definition', sa.Text(), nullable=False),
    sa.Column('at_us', sa.BigInteger(), nullable=False),
    sa.Column('entity', sa.Text(), nullable=True),
    sa.Column('entity_digest', sa.Text(), nullable=False),
    sa.Column('flag', sa.Text(), nullable=False),
    sa.Column('event_us', sa.BigInteger(), nullable=True),
    sa.Column('available_us', sa.BigInteger(), nullable=True),
    sa.Column('served_values', sa.LargeBinary(), nullable=False),
    sa.Column('request_values', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_feature_served'))
    )
    op.create_index(op.f('ix_feature_served_workspace_id_view_at_us'), 'feature_served', ['workspace_id', 'view', 'at_us'], unique=False)
    op.create_table('feature_served_dropped',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('view', sa.Text(), nullable=False),
    sa.Column('from_us', sa.BigInteger(), nullable=False),
    sa.Column('to_us', sa.BigInteger(), nullable=False),
    sa.Column('rows', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_feature_served_dropped'))
    )
    op.create_index(op.f('ix_feature_served_dropped_workspace_id_view_from_us'), 'feature_served_dropped', ['workspace_id', 'view', 'from_us'], unique=False)
    op.create_table('feature_skew_report',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('view', sa.Text(), nullable=False),
    sa.Column('definition', sa.Text(), nullable=False),
    sa.Column('source_version', sa.Text(), nullable=False),
    sa.Column('from_us', sa.BigInteger(), nullable=False),
    sa.Column('to_us', sa.BigInteger(), nullable=False),
    sa.Column('verdict', sa.Text(), nullable=False),
    sa.Column('max_rate', sa.Float(), nullable=False),
    sa.Column('report', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_feature_skew_report'))
    )
    op.create_index(op.f('ix_feature_skew_report_workspace_id_view_created_at'), 'feature_skew_report', ['workspace_id', 'view', 'created_at'], unique=False)
    op.create_table('feature_stream',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('view', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('view_hash', sa.Text(), nullable=False),
    sa.Column('next_position', sa.BigInteger(), nullable=False),
    sa.Column('clock_us', sa.BigInteger(), nullable=False),
    sa.Column('watermark_us', sa.BigInteger(), nullable=True),
    sa.Column('events', sa.BigInteger(), nullable=False),
    sa.Column('late', sa.BigInteger(), nullable=False),
    sa.Column('corrected', sa.BigInteger(), nullable=False),
    sa.Column('refused', sa.BigInteger(), nullable=False),
    sa.Column('holder', sa.Text(), nullable=True),
    sa.Column('lease_until_us', sa.BigInteger(), nullable=True),
    sa.Column('fence', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'view', name=op.f('pk_feature_stream'))
    )
    op.create_table('feature_tail',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('view', sa.Text(), nullable=False),
    sa.Column('tile_us', sa.BigInteger(), nullable=False),
    sa.Column('entity', sa.Text(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('rows', sa.LargeBinary(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'view', 'tile_us', 'entity', 'position', name=op.f('pk_feature_tail'))
    )
    op.create_table('feature_tile',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('view', sa.Text(), nullable=False),
    sa.Column('entity', sa.Text(), nullable=False),
    sa.Column('tile_us', sa.BigInteger(), nullable=False),
    sa.Column('states', sa.LargeBinary(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'view', 'entity', 'tile_us', name=op.f('pk_feature_tile'))
    )
    op.create_table('feature_view',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('hash', sa.Text(), nullable=False),
    sa.Column('definition', sa.Text(), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('owner', sa.Text(), nullable=False),
    sa.Column('source_kinds', sa.Text(), nullable=False),
    sa.Column('contract_id', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'name', 'version', name=op.f('pk_feature_view'))
    )
    op.create_index(op.f('ix_feature_view_workspace_id_hash'), 'feature_view', ['workspace_id', 'hash'], unique=False)
    op.create_table('ingest_batch',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('dataset', sa.Text(), nullable=False),
    sa.Column('contract_id', sa.Text(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('batch_key', sa.Text(), nullable=True),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('origin', sa.Text(), nullable=False),
    sa.Column('config', sa.Text(), nullable=False),
    sa.Column('rows_in', sa.BigInteger(), nullable=False),
    sa.Column('kept', sa.BigInteger(), nullable=False),
    sa.Column('quarantined', sa.BigInteger(), nullable=False),
    sa.Column('version_id', sa.Text(), nullable=True),
    sa.Column('gate_report_id', sa.Text(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_ingest_batch')),
    sa.UniqueConstraint('workspace_id', 'source', 'batch_key', name=op.f('uq_ingest_batch_workspace_id_source_batch_key'))
    )
    op.create_index('ix_ingest_batch_created', 'ingest_batch', ['workspace_id', 'created_at', 'id'], unique=False)
    op.create_index('ix_ingest_batch_dataset', 'ingest_batch', ['workspace_id', 'dataset', 'created_at', 'id'], unique=False)
    op.create_index('ix_ingest_batch_source', 'ingest_batch', ['workspace_id', 'source', 'created_at', 'id'], unique=False)
    op.create_index('ix_ingest_batch_state', 'ingest_batch', ['workspace_id', 'state', 'created_at', 'id'], unique=False)
    op.create_table('ingest_cursor',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('cursor', sa.Text(), nullable=False),
    sa.Column('batch_id', sa.Text(), nullable=False),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'source', name=op.f('pk_ingest_cursor'))
    )
    op.create_table('ingest_part',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('batch_id', sa.Text(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('blob', sa.Text(), nullable=True),
    sa.Column('rows_in', sa.BigInteger(), nullable=False),
    sa.Column('kept', sa.BigInteger(), nullable=False),
    sa.Column('quarantined', sa.BigInteger(), nullable=False),
    sa.Column('dropped', sa.Text(), nullable=True),
    sa.Column('notes', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'batch_id', 'position', name=op.f('pk_ingest_part'))
    )
    op.create_table('ingest_quarantine',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('batch_id', sa.Text(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('line', sa.BigInteger(), nullable=False),
    sa.Column('field', sa.Text(), nullable=True),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('raw', sa.Text(), nullable=True),
    sa.Column('content', sa.Text(), nullable=True),
    sa.Column('retried_as', sa.Text(), nullable=True),
    sa.Column('erased_at', sa.BigInteger(), nullable=True),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'batch_id', 'position', name=op.f('pk_ingest_quarantine'))
    )
    op.create_table('ingest_source',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('config', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_ingest_source')),
    sa.UniqueConstraint('workspace_id', 'name', 'number', name=op.f('uq_ingest_source_workspace_id_name_number'))
    )
    op.create_table('lineage_edge',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('parent_kind', sa.Text(), nullable=False),
    sa.Column('parent_id', sa.Text(), nullable=False),
    sa.Column('child_kind', sa.Text(), nullable=False),
    sa.Column('child_id', sa.Text(), nullable=False),
    sa.Column('via', sa.Text(), nullable=False),
    sa.Column('from_us', sa.BigInteger(), nullable=True),
    sa.Column('until_us', sa.BigInteger(), nullable=True),
    sa.Column('columns', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_lineage_edge'))
    )
    op.create_index('ix_lineage_edge_down', 'lineage_edge', ['workspace_id', 'parent_kind', 'parent_id', 'child_kind', 'child_id', 'from_us', 'until_us'], unique=False)
    op.create_index('ix_lineage_edge_up', 'lineage_edge', ['workspace_id', 'child_kind', 'child_id', 'parent_kind', 'parent_id', 'from_us', 'until_us'], unique=False)
    op.create_table('model_decision',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('pipeline', sa.Text(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('challenger', sa.Text(), nullable=False),
    sa.Column('champion', sa.Text(), nullable=True),
    sa.Column('promoted', sa.Boolean(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('comparison', sa.Text(), nullable=True),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_model_decision')),
    sa.UniqueConstraint('workspace_id', 'pipeline', 'number', name=op.f('uq_model_decision_workspace_id_pipeline_number'))
    )
    op.create_table('monitor_report',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('pilot_id', sa.Text(), nullable=True),
    sa.Column('reference', sa.Text(), nullable=False),
    sa.Column('production', sa.Text(), nullable=False),
    sa.Column('said', sa.Text(), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.Column('n_reference', sa.BigInteger(), nullable=False),
    sa.Column('n_production', sa.BigInteger(), nullable=False),
    sa.Column('evidence_ids', sa.Text(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_monitor_report'))
    )
    op.create_index('ix_monitor_report_latest', 'monitor_report', ['workspace_id', 'created_at', 'id'], unique=False)
    op.create_index('ix_monitor_report_production', 'monitor_report', ['workspace_id', 'production'], unique=False)
    op.create_table('openlineage_event',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('producer', sa.Text(), nullable=False),
    sa.Column('event_time', sa.BigInteger(), nullable=False),
    sa.Column('job', sa.Text(), nullable=False),
    sa.Column('run', sa.Text(), nullable=True),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_openlineage_event'))
    )
    op.create_table('pipeline_delivery',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('pipeline', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('batch_id', sa.Text(), nullable=True),
    sa.Column('contract_id', sa.Text(), nullable=True),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('taken_at', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'pipeline', 'source', 'name', name=op.f('pk_pipeline_delivery'))
    )
    op.create_index('ix_pipeline_delivery_taken', 'pipeline_delivery', ['workspace_id', 'pipeline', 'taken_at', 'source', 'name'], unique=False)
    op.create_table('quality_acceptance',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('report_id', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('columns', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'report_id', name=op.f('pk_quality_acceptance'))
    )
    op.create_table('quality_attachment',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('version_id', sa.Text(), nullable=False),
    sa.Column('report_id', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'version_id', name=op.f('pk_quality_attachment'))
    )
    op.create_index(op.f('ix_quality_attachment_report_id'), 'quality_attachment', ['report_id'], unique=False)
    op.create_table('quality_report',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('dataset', sa.Text(), nullable=False),
    sa.Column('scope', sa.Text(), nullable=False),
    sa.Column('subject_id', sa.Text(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('contract_id', sa.Text(), nullable=False),
    sa.Column('verdict', sa.Text(), nullable=False),
    sa.Column('rows', sa.BigInteger(), nullable=False),
    sa.Column('report', sa.Text(), nullable=False),
    sa.Column('profile', sa.Text(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_quality_report'))
    )
    op.create_index(op.f('ix_quality_report_dataset'), 'quality_report', ['dataset'], unique=False)
    op.create_index(op.f('ix_quality_report_subject_id'), 'quality_report', ['subject_id'], unique=False)
    op.create_table('retraining_decision',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('pipeline', sa.Text(), nullable=False),
    sa.Column('run_id', sa.Text(), nullable=False),
    sa.Column('fired', sa.Boolean(), nullable=False),
    sa.Column('triggers', sa.Text(), nullable=False),
    sa.Column('held_back_by', sa.Text(), nullable=True),
    sa.Column('report', sa.Text(), nullable=True),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_retraining_decision'))
    )
    op.create_index('ix_retraining_decision_pipeline', 'retraining_decision', ['workspace_id', 'pipeline', 'created_at'], unique=False)
    op.create_table('trained_model',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('pipeline', sa.Text(), nullable=False),
    sa.Column('training_set', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('params', sa.Text(), nullable=False),
    sa.Column('blob', sa.Text(), nullable=False),
    sa.Column('rows', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_trained_model'))
    )
    op.create_index('ix_trained_model_pipeline', 'trained_model', ['workspace_id', 'pipeline', 'created_at'], unique=False)
    op.create_table('workflow_run',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('pipeline', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('declared', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('holder', sa.Text(), nullable=True),
    sa.Column('lease_until', sa.BigInteger(), nullable=False),
    sa.Column('fence', sa.Integer(), nullable=False),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'id', name=op.f('pk_workflow_run')),
    sa.UniqueConstraint('workspace_id', 'pipeline', 'key', name=op.f('uq_workflow_run_workspace_id_pipeline_key'))
    )
    op.create_index('ix_workflow_run_created', 'workflow_run', ['workspace_id', 'pipeline', 'created_at', 'id'], unique=False)
    op.create_table('workflow_step',
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('run_id', sa.Text(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('inputs', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('result', sa.Text(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('started_at', sa.BigInteger(), nullable=False),
    sa.Column('ended_at', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'run_id', 'name', name=op.f('pk_workflow_step'))
    )
