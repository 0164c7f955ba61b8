"""The matching engine: pure, deterministic, without I/O or clock."""
