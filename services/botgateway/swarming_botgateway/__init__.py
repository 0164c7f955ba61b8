"""Talks to the bots: polls, output, reports."""
