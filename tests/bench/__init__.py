"""Speed and memory as ratios of interleaved runs; `make bench`. Not tests: nothing here asserts a time."""
