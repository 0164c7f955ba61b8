"""Runs migrations on the connection that swarming_common.database.migrate opened."""

from alembic import context

from swarming_common.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
