// All kernels as one unit, so that one fat binary holds them.
#include "ingest.cu"
#include "redact.cu"
#include "tensor.cu"

// What this was built from: a fat binary of other sources is refused, by looking for these letters in it.
__device__ char scrubcam_sources[] = SCRUBCAM_SOURCES;
