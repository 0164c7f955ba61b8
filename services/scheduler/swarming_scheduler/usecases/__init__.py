"""What the scheduler does: each file one verb, a plain function of a shard's memory, a request and the time."""
