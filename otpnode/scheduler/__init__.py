"""OS processes: the supervisor that forks and watches, the workers that run shards."""
