"""The vocabulary of Swarming: pure values, no I/O."""
