// What the host library tells about itself.
extern "C" __attribute__((visibility("default"))) const char *scrubcam_sources() { return SCRUBCAM_SOURCES; }
