"""The Alembic tree: every change of the schema, in order."""
