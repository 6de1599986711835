"""Task, and `Task.map` over all shards."""
