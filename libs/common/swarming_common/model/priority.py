"""Priorities: 0 to 255, the lower number first."""

HIGHEST = 0
LOWEST = 255
