// All kernels as one unit, so that one fat binary holds them.
#include "ingest.cu"
#include "redact.cu"
#include "tensor.cu"

// What this was built from: the loader refuses a fat binary of other sources.
extern "C" __device__ const char scrubcam_sources[] = SCRUBCAM_SOURCES;
