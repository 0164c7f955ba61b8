"""Counts the lifecycle events it hears."""
