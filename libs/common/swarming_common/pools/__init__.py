"""What a pool may choose for itself: the order of its tasks, retries, and how many tasks may wait."""
