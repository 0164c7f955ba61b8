"""The vocabulary, ports and adapters that every Swarming service shares."""
