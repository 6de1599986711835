"""The Savina suite: the actor benchmarks of the literature, each checking its own answer.

Written from the published descriptions (S. Imam, V. Sarkar: "Savina – An Actor Benchmark
Suite", AGERE 2014). ``python -m benchmarks.savina`` runs them on one loop, on one shard and
on a shard for each CPU, beside the same programs in Erlang where there is an ``erl``.
"""
