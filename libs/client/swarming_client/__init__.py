"""The Swarming Python SDK and the `swarming` command."""
