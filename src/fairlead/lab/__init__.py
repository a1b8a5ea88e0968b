"""Virtual hosts on one machine, for demos, tests and benchmarks."""
