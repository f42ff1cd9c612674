"""What only a CUDA GPU can show: python -m tests.gpu test, or bench."""
