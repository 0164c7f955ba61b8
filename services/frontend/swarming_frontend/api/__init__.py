"""The client API v1: its dialect, translated to use cases and back."""
