"""The pixel work as kernels: one source (cuda/) for CPU and GPU, called from Python without copies."""
