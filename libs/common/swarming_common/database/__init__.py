"""The database: one writer for each table, the same code on SQLite and PostgreSQL."""
