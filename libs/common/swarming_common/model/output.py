"""What a run prints, as it is stored: chunks by byte offset."""

LARGEST_CHUNK_BYTES = 1_000_000
"""Four times what a bot sends in one update. No chunk is larger, so whoever reads from an offset on need not look for
chunks that begin further before it."""
