"""Benchmarks: they print figures beside a yardstick of the same minute, and never fail a test."""
