"""Hints: private messages between services that may be lost; the rows they speak of are the truth."""
