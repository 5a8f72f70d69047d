module benchmarks

go 1.21
