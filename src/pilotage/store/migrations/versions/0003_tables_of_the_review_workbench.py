"""tables of the review workbench."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "review_gold",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "task_id", "question", name=op.f("pk_review_gold")),
    )
    op.create_table(
        "review_guideline",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_review_guideline")),
        sa.UniqueConstraint("workspace_id", "project", "number", name=op.f("uq_review_guideline_workspace_id_project_number")),
    )
    op.create_table(
        "review_project",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("salt", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_review_project")),
    )
    op.create_table(
        "review_project_version",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("rubric_id", sa.Text(), nullable=False),
        sa.Column("guideline_id", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "project", "number", name=op.f("pk_review_project_version")),
    )
    op.create_table(
        "review_seed",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("planted", sa.Text(), nullable=False),
        sa.Column("made_from", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "task_id", name=op.f("pk_review_seed")),
    )
    op.create_table(
        "review_skill",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("skill", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "login", "skill", name=op.f("pk_review_skill")),
    )
    op.create_table(
        "suggestion",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_suggestion")),
        sa.UniqueConstraint(
            "workspace_id",
            "item_id",
            "question",
            "model",
            "model_version",
            name=op.f("uq_suggestion_workspace_id_item_id_question_model_model_version"),
        ),
    )
    with op.batch_alter_table("judgement", schema=None) as batch_op:
        batch_op.add_column(sa.Column("first_key_ms", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("sides", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("guideline_id", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("purpose", sa.Text(), server_default="work", nullable=False))
        batch_op.create_index("ix_judgement_question", ["workspace_id", "question", "rubric_id"], unique=False)
        batch_op.create_index("ix_judgement_rater", ["workspace_id", "rater_id", "purpose", "created_at"], unique=False)

    with op.batch_alter_table("review_assignment", schema=None) as batch_op:
        batch_op.add_column(sa.Column("served_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("arm", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("shown", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("committed", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("sides", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("guideline_id", sa.Text(), nullable=True))

    with op.batch_alter_table("review_decision", schema=None) as batch_op:
        batch_op.add_column(sa.Column("arm", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("active_ms", sa.BigInteger(), nullable=True))

    with op.batch_alter_table("review_task", schema=None) as batch_op:
        batch_op.add_column(sa.Column("escalated_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("purpose", sa.Text(), server_default="work", nullable=False))
        batch_op.add_column(sa.Column("skill", sa.Text(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("selected_by", sa.Text(), server_default="order", nullable=False))
        batch_op.add_column(sa.Column("route_id", sa.Text(), nullable=True))
        batch_op.drop_constraint(batch_op.f("uq_review_task_workspace_id_queue_item_id_rubric_id"), type_="unique")
        batch_op.create_index("ix_review_task_due", ["workspace_id", "state", "due_at"], unique=False)
        batch_op.create_index("ix_review_task_purpose", ["workspace_id", "queue", "purpose", "state", "position"], unique=False)
        batch_op.create_unique_constraint(
            batch_op.f("uq_review_task_workspace_id_queue_item_id_rubric_id_role_purpose"),
            ["workspace_id", "queue", "item_id", "rubric_id", "role", "purpose"],
        )
