// What the host library tells about itself: the sources it was built from, and how its argument structures lie.
#include "../args.h"

#define EXPORT extern "C" __attribute__((visibility("default")))
#define SIZE(TYPE) {#TYPE, sizeof(TYPE)}
#define AT(TYPE, FIELD) {#TYPE "." #FIELD, offsetof(TYPE, FIELD)}

EXPORT const char *scrubcam_sources() { return SCRUBCAM_SOURCES; }

struct ScrubcamPlace {
    const char *name;  // "ScrubcamIngest", or "ScrubcamIngest.y_pitch"
    uint64_t value;    // its size, or where it lies, in bytes
};

// Ends with an empty name. firmware/kernels/args.py must say the same.
EXPORT const ScrubcamPlace scrubcam_layout[] = {
    SIZE(ScrubcamStats), AT(ScrubcamStats, sum), AT(ScrubcamStats, lit), AT(ScrubcamStats, clipped),
    AT(ScrubcamStats, check),
    SIZE(ScrubcamIngest), AT(ScrubcamIngest, plane), AT(ScrubcamIngest, y), AT(ScrubcamIngest, uv),
    AT(ScrubcamIngest, stats), AT(ScrubcamIngest, pitch), AT(ScrubcamIngest, y_pitch), AT(ScrubcamIngest, uv_pitch),
    AT(ScrubcamIngest, format), AT(ScrubcamIngest, width), AT(ScrubcamIngest, height), AT(ScrubcamIngest, identity),
    AT(ScrubcamIngest, luma), AT(ScrubcamIngest, luma_bias), AT(ScrubcamIngest, cb), AT(ScrubcamIngest, cb_bias),
    AT(ScrubcamIngest, cr), AT(ScrubcamIngest, cr_bias), AT(ScrubcamIngest, unused),
    SIZE(ScrubcamTensor), AT(ScrubcamTensor, y), AT(ScrubcamTensor, uv), AT(ScrubcamTensor, out),
    AT(ScrubcamTensor, out_plane), AT(ScrubcamTensor, out_row), AT(ScrubcamTensor, y_pitch),
    AT(ScrubcamTensor, uv_pitch), AT(ScrubcamTensor, width), AT(ScrubcamTensor, height), AT(ScrubcamTensor, out_width),
    AT(ScrubcamTensor, out_height), AT(ScrubcamTensor, fit_width), AT(ScrubcamTensor, fit_height),
    AT(ScrubcamTensor, from_x), AT(ScrubcamTensor, to_x), AT(ScrubcamTensor, from_y), AT(ScrubcamTensor, to_y),
    AT(ScrubcamTensor, per_area), AT(ScrubcamTensor, luma_gain), AT(ScrubcamTensor, red_cr),
    AT(ScrubcamTensor, green_cb), AT(ScrubcamTensor, green_cr), AT(ScrubcamTensor, blue_cb), AT(ScrubcamTensor, mean),
    AT(ScrubcamTensor, scale), AT(ScrubcamTensor, order), AT(ScrubcamTensor, pad), AT(ScrubcamTensor, unused),
    SIZE(ScrubcamShape), SIZE(ScrubcamSpan), SIZE(ScrubcamColour),
    SIZE(ScrubcamRedact), AT(ScrubcamRedact, y), AT(ScrubcamRedact, uv), AT(ScrubcamRedact, shapes),
    AT(ScrubcamRedact, spans), AT(ScrubcamRedact, colours), AT(ScrubcamRedact, y_pitch), AT(ScrubcamRedact, uv_pitch),
    AT(ScrubcamRedact, width), AT(ScrubcamRedact, height), AT(ScrubcamRedact, count), AT(ScrubcamRedact, soft),
    {"", 0},
};
