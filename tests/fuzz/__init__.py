"""Random and damaged input for every parser: `python -m tests.fuzz` (long), tests/test_fuzz_short.py (in CI)."""
