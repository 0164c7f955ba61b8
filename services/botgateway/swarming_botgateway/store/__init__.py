"""The gateway's tables, one named query per intent."""
