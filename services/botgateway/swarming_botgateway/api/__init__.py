"""The bot protocol: parse, one use case, translate."""
