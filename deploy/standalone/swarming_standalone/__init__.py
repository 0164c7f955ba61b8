"""All four services in one process, on the embedded adapters."""
