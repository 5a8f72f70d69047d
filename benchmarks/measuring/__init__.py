"""What the benchmarks are made of: processes on chosen cores, the Go parts, expvastic as its users run it, a table."""
