// What every kernel is told: plain structs of fixed layout, the same bytes on CPU and GPU (firmware/kernels/args.py).
#pragma once
#include <stddef.h>
#include <stdint.h>

// Pointers are 64-bit addresses of whatever memory the kernel runs in; pitches are bytes from one row to the next.

enum ScrubcamFormat { SC_NV12 = 0, SC_I420 = 1, SC_UYVY = 2, SC_YUYV = 3, SC_RGB8 = 4 };

// What `ingest` counts over every second row of the luma it wrote, from the first on. All sums, so that the order of
// work does not matter.
struct ScrubcamStats {
    uint64_t sum;      // of all luma samples
    uint64_t lit;      // samples at or above 40: hardly any in a black picture
    uint64_t clipped;  // samples at or above 235, the nominal white
    uint64_t check;    // sum of 32-bit luma words, each times a key of its place, modulo 2^64: equal means frozen
};

// Fixed point with 14 fractional bits. Planes that a format does not have are 0.
// Chroma of one cell of 2x2 pixels: sums of two rows (4:2:x) or of four pixels (RGB), divided in the same shift.
struct ScrubcamIngest {
    uint64_t plane[3];
    uint64_t y, uv;
    uint64_t stats;  // ScrubcamStats, zeroed by the caller
    int32_t pitch[3];
    int32_t y_pitch, uv_pitch;
    int32_t format, width, height;
    int32_t identity;  // 1: already limited BT.709, nothing is computed but the mean of two chroma rows (4:2:2)
    int32_t luma[3], luma_bias;
    int32_t cb[3], cb_bias;
    int32_t cr[3], cr_bias;
    int32_t unused;
};

// Area average of a crop into the top left of `out`, the rest `pad`. The steps are the two sizes over their greatest
// common divisor: output pixel i covers [i * from_x, (i + 1) * from_x), source pixel k [k * to_x, (k + 1) * to_x).
struct ScrubcamTensor {
    uint64_t y, uv;  // at the crop's first pixel, whose coordinates are even
    uint64_t out;    // float, three planes
    int64_t out_plane, out_row;  // in floats
    int32_t y_pitch, uv_pitch;
    int32_t width, height;          // of the crop, in pixels
    int32_t out_width, out_height;  // of `out`
    int32_t fit_width, fit_height;  // of the scaled picture in it
    int32_t from_x, to_x, from_y, to_y;
    float per_area;  // 1 / (from_x * from_y)
    float luma_gain, red_cr, green_cb, green_cr, blue_cb;
    float mean[3], scale[3];
    int32_t order[3];  // out plane c holds red (0), green (1) or blue (2)
    float pad;
    int32_t unused;
};

enum ScrubcamShapeKind { SC_BOX = 0, SC_HALF_PLANES = 1, SC_ELLIPSE = 2 };

// A convex shape on the grid of 2x2 cells: the cells of its box that touch it.
// SC_HALF_PLANES: cell touches all of nx * x + ny * y <= d (16 fractional bits, x and y in pixels).
// SC_ELLIPSE: centre (cx, cy) and the cell's half extent `reach` in 1/16 pixel; (ax, ay) is the direction of the first
// axis with 14 fractional bits; kx, ky are 2^27 over the half axes, rounded down.
struct ScrubcamShape {
    int32_t kind;
    int32_t left, top, right, bottom;  // in cells, cut to the picture, not empty
    int32_t spans_at;                  // where this shape's rows begin in the table of spans
    int32_t nx[4], ny[4];
    int64_t d[4];
    int64_t cx, cy, kx, ky;
    int32_t ax, ay, reach, unused;
};

struct ScrubcamSpan {
    int32_t left, right;  // cells [left, right); empty when right <= left
};

struct ScrubcamColour {
    int32_t y, u, v;
};

struct ScrubcamRedact {
    uint64_t y, uv;
    uint64_t shapes;   // ScrubcamShape[count]
    uint64_t spans;    // ScrubcamSpan, one for each row of each shape's box
    uint64_t colours;  // ScrubcamColour[count]
    int32_t y_pitch, uv_pitch;
    int32_t width, height;  // in pixels; cells are these halved, rounded up
    int32_t count;
    int32_t soft;  // width of the soft edge outside, in cells
};

static_assert(sizeof(ScrubcamStats) == 32, "layout");
static_assert(sizeof(ScrubcamIngest) == 136, "layout");
static_assert(sizeof(ScrubcamTensor) == 160, "layout");
static_assert(sizeof(ScrubcamShape) == 136, "layout");
static_assert(sizeof(ScrubcamRedact) == 64, "layout");
