"""Decides which bot runs which task, and how a task ends."""
