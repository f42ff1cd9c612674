// Any input format to NV12, limited range, BT.709, in one pass; what it writes is counted on the way. One block: one
// row of 2x2 cells. Odd sizes are rounded up, the last column and row repeated.
#include "kernel.cuh"

namespace {

const int kShift = 14;
const int kLit = 40, kClipped = 235;

// A run of pixels in two rows: luma, and chroma of both rows as U, V, U, V... (equal where a format has one for both).
struct Run {
    uint8_t y[2][SC_RUN], c[2][SC_RUN];
};

struct Tally {
    uint64_t sum, lit, clipped, check;
};

SC_FN const uint8_t *row_of(const ScrubcamIngest &a, int plane, int row) {
    return (const uint8_t *)a.plane[plane] + (int64_t)row * a.pitch[plane];
}

// ---- formats: whole runs, and single samples for the run at the right edge ----------------------------------------

struct Nv12 {
    static const bool kTwoChromaRows = false;
    SC_FN uint8_t luma(const ScrubcamIngest &a, int row, int x) { return row_of(a, 0, row)[x]; }
    SC_FN uint8_t chroma(const ScrubcamIngest &a, int row, int cell, int which) {
        return row_of(a, 1, row >> 1)[2 * cell + which];
    }
    SC_FN void load(const ScrubcamIngest &a, const int row[2], int x, Run &run) {
        sc_load(run.y[0], row_of(a, 0, row[0]) + x);
        sc_load(run.y[1], row_of(a, 0, row[1]) + x);
        sc_load(run.c[0], row_of(a, 1, row[0] >> 1) + x);
    }
};

struct I420 {
    static const bool kTwoChromaRows = false;
    SC_FN uint8_t luma(const ScrubcamIngest &a, int row, int x) { return row_of(a, 0, row)[x]; }
    SC_FN uint8_t chroma(const ScrubcamIngest &a, int row, int cell, int which) {
        return row_of(a, 1 + which, row >> 1)[cell];
    }
    SC_FN void load(const ScrubcamIngest &a, const int row[2], int x, Run &run) {
        sc_load(run.y[0], row_of(a, 0, row[0]) + x);
        sc_load(run.y[1], row_of(a, 0, row[1]) + x);
        const uint8_t *u = row_of(a, 1, row[0] >> 1) + x / 2, *v = row_of(a, 2, row[0] >> 1) + x / 2;
        SC_UNROLL for (int i = 0; i < SC_RUN / 2; ++i) run.c[0][2 * i] = u[i], run.c[0][2 * i + 1] = v[i];
    }
};

// Four bytes for two pixels: U Y V Y (kLuma 1) or Y U Y V (kLuma 0).
template <int kLuma>
struct Packed {
    static const bool kTwoChromaRows = true;
    SC_FN uint8_t luma(const ScrubcamIngest &a, int row, int x) { return row_of(a, 0, row)[2 * x + kLuma]; }
    SC_FN uint8_t chroma(const ScrubcamIngest &a, int row, int cell, int which) {
        return row_of(a, 0, row)[4 * cell + 2 * which + (1 - kLuma)];
    }
    SC_FN void load(const ScrubcamIngest &a, const int row[2], int x, Run &run) {
        SC_UNROLL for (int k = 0; k < 2; ++k) {
            uint8_t both[2 * SC_RUN];
            const uint8_t *from = row_of(a, 0, row[k]) + 2 * x;
            sc_load(both, from);
            sc_load(both + SC_RUN, from + SC_RUN);
            SC_UNROLL for (int i = 0; i < SC_RUN; ++i) run.y[k][i] = both[2 * i + kLuma];
            SC_UNROLL for (int i = 0; i < SC_RUN; ++i) run.c[k][i] = both[2 * i + 1 - kLuma];
        }
    }
};

// ---- arithmetic ----------------------------------------------------------------------------------------------------

// Turns the run's chroma rows into one, and both planes into limited BT.709.
template <bool kTwoChromaRows>
SC_FN void convert(const ScrubcamIngest &a, Run &run) {
    const int l0 = a.luma[0], l1 = a.luma[1], l2 = a.luma[2], bias = a.luma_bias;
    const int b0 = a.cb[0], b1 = a.cb[1], b_bias = a.cb_bias, r0 = a.cr[0], r1 = a.cr[1], r_bias = a.cr_bias;
    SC_UNROLL for (int k = 0; k < 2; ++k) {
        const uint8_t *c = run.c[kTwoChromaRows ? k : 0];
        SC_UNROLL for (int i = 0; i < SC_RUN / 2; ++i) {
            const int tint = l1 * (c[2 * i] - 128) + l2 * (c[2 * i + 1] - 128) + bias;
            run.y[k][2 * i] = sc_byte((l0 * run.y[k][2 * i] + tint) >> kShift);
            run.y[k][2 * i + 1] = sc_byte((l0 * run.y[k][2 * i + 1] + tint) >> kShift);
        }
    }
    const uint8_t *c0 = run.c[0], *c1 = run.c[kTwoChromaRows ? 1 : 0];
    SC_UNROLL for (int i = 0; i < SC_RUN / 2; ++i) {
        const int u = c0[2 * i] + c1[2 * i] - 256, v = c0[2 * i + 1] + c1[2 * i + 1] - 256;
        run.c[0][2 * i] = sc_byte((b0 * u + b1 * v + b_bias) >> (kShift + 1));
        run.c[0][2 * i + 1] = sc_byte((r0 * u + r1 * v + r_bias) >> (kShift + 1));
    }
}

SC_FN void mean_chroma(Run &run) {
    SC_UNROLL for (int i = 0; i < SC_RUN; ++i) run.c[0][i] = (uint8_t)((run.c[0][i] + run.c[1][i] + 1) >> 1);
}

// From RGB, three bytes a pixel in two rows; chroma from the mean of a cell's four pixels.
SC_FN void from_rgb(const ScrubcamIngest &a, const uint8_t rgb[2][3 * SC_RUN], Run &run) {
    const int l0 = a.luma[0], l1 = a.luma[1], l2 = a.luma[2], bias = a.luma_bias;
    int16_t sums[3][SC_RUN] = {};  // of both rows
    SC_UNROLL for (int k = 0; k < 2; ++k) {
        uint8_t red[SC_RUN], green[SC_RUN], blue[SC_RUN];
        SC_UNROLL for (int i = 0; i < SC_RUN; ++i)
            red[i] = rgb[k][3 * i], green[i] = rgb[k][3 * i + 1], blue[i] = rgb[k][3 * i + 2];
        SC_UNROLL for (int i = 0; i < SC_RUN; ++i)
            run.y[k][i] = sc_byte((l0 * red[i] + l1 * green[i] + l2 * blue[i] + bias) >> kShift);
        SC_UNROLL for (int i = 0; i < SC_RUN; ++i) {
            sums[0][i] = (int16_t)(sums[0][i] + red[i]);
            sums[1][i] = (int16_t)(sums[1][i] + green[i]);
            sums[2][i] = (int16_t)(sums[2][i] + blue[i]);
        }
    }
    const int b0 = a.cb[0], b1 = a.cb[1], b2 = a.cb[2], b_bias = a.cb_bias;
    const int r0 = a.cr[0], r1 = a.cr[1], r2 = a.cr[2], r_bias = a.cr_bias;
    SC_UNROLL for (int i = 0; i < SC_RUN / 2; ++i) {
        const int red = sums[0][2 * i] + sums[0][2 * i + 1], green = sums[1][2 * i] + sums[1][2 * i + 1];
        const int blue = sums[2][2 * i] + sums[2][2 * i + 1];
        run.c[0][2 * i] = sc_byte((b0 * red + b1 * green + b2 * blue + b_bias) >> (kShift + 2));
        run.c[0][2 * i + 1] = sc_byte((r0 * red + r1 * green + r2 * blue + r_bias) >> (kShift + 2));
    }
}

// ---- out -----------------------------------------------------------------------------------------------------------

// `y` holds zeros where the picture has ended: they count for nothing.
SC_FN void count(const uint8_t y[SC_RUN], int row, int x, Tally &tally) {
    uint32_t sum = 0, lit = 0, clipped = 0;
    SC_UNROLL for (int i = 0; i < SC_RUN; ++i) sum += y[i];
    SC_UNROLL for (int i = 0; i < SC_RUN; ++i) lit += y[i] >= kLit;
    SC_UNROLL for (int i = 0; i < SC_RUN; ++i) clipped += y[i] >= kClipped;
    uint32_t words[SC_RUN / 4];
    memcpy(words, y, SC_RUN);
    const uint32_t place = (uint32_t)row * 0x9E3779B1u + (uint32_t)(x / 4) * 0x85EBCA77u + 0x27D4EB2Fu;
    uint64_t check = 0;
    SC_UNROLL for (int i = 0; i < SC_RUN / 4; ++i) {
        uint32_t key = place + (uint32_t)i * 0x85EBCA77u;
        key = ((key ^ key >> 15) * 0xC2B2AE3Du) | 1;
        check += (uint64_t)words[i] * key;
    }
    tally.sum += sum, tally.lit += lit, tally.clipped += clipped, tally.check += check;
}

SC_FN void write(const ScrubcamIngest &a, int cells_row, int x, int pixels, Run &run, Tally &tally) {
    uint8_t *y0 = (uint8_t *)a.y + (int64_t)(2 * cells_row) * a.y_pitch + x, *y1 = y0 + a.y_pitch;
    uint8_t *uv = (uint8_t *)a.uv + (int64_t)cells_row * a.uv_pitch + x;
    if (pixels == SC_RUN) {
        sc_store(y0, run.y[0]);
        sc_store(y1, run.y[1]);
        sc_store(uv, run.c[0]);
    } else {
        for (int i = 0; i < SC_RUN; ++i) {
            if (i < pixels)
                y0[i] = run.y[0][i], y1[i] = run.y[1][i], uv[i] = run.c[0][i];
            else
                run.y[0][i] = run.y[1][i] = 0;
        }
    }
    count(run.y[0], cells_row, x, tally);
}

template <class Format>
SC_FN void from_yuv(const ScrubcamIngest &a, int cells_row, Tally &tally) {
    const int coded = (a.width + 1) & ~1, rows[2] = {2 * cells_row, sc_min(2 * cells_row + 1, a.height - 1)};
    SC_FOR(i, (coded + SC_RUN - 1) / SC_RUN) {
        Run run;
        const int x = i * SC_RUN, pixels = sc_min(SC_RUN, coded - x);
        if (x + SC_RUN <= a.width) {
            Format::load(a, rows, x, run);
        } else {
            for (int j = 0; j < SC_RUN; ++j) {
                const int at = sc_min(x + j, a.width - 1), cell = sc_min(x + j, coded - 1) >> 1;
                for (int k = 0; k < 2; ++k) {
                    run.y[k][j] = Format::luma(a, rows[k], at);
                    run.c[k][j] = Format::chroma(a, rows[k], cell, j & 1);
                }
            }
        }
        if (!a.identity)
            convert<Format::kTwoChromaRows>(a, run);
        else if (Format::kTwoChromaRows)
            mean_chroma(run);
        write(a, cells_row, x, pixels, run, tally);
    }
}

SC_FN void from_rgb_row(const ScrubcamIngest &a, int cells_row, Tally &tally) {
    const int coded = (a.width + 1) & ~1, rows[2] = {2 * cells_row, sc_min(2 * cells_row + 1, a.height - 1)};
    SC_FOR(i, (coded + SC_RUN - 1) / SC_RUN) {
        Run run;
        uint8_t rgb[2][3 * SC_RUN];
        const int x = i * SC_RUN, pixels = sc_min(SC_RUN, coded - x);
        SC_UNROLL for (int k = 0; k < 2; ++k) {
            const uint8_t *from = row_of(a, 0, rows[k]);
            if (x + SC_RUN <= a.width) {
                SC_UNROLL for (int part = 0; part < 3; ++part)
                    sc_load(rgb[k] + part * SC_RUN, from + 3 * x + part * SC_RUN);
            } else {
                for (int j = 0; j < SC_RUN; ++j) {
                    const uint8_t *pixel = from + 3 * sc_min(x + j, a.width - 1);
                    for (int c = 0; c < 3; ++c) rgb[k][3 * j + c] = pixel[c];
                }
            }
        }
        from_rgb(a, rgb, run);
        write(a, cells_row, x, pixels, run, tally);
    }
}

}  // namespace

// Blocks: (rows of cells, 1).
SC_KERNEL(scrubcam_ingest, ScrubcamIngest, 128) {
    Tally tally = {0, 0, 0, 0};
    switch (a.format) {
        case SC_NV12: from_yuv<Nv12>(a, block_x, tally); break;
        case SC_I420: from_yuv<I420>(a, block_x, tally); break;
        case SC_UYVY: from_yuv<Packed<1>>(a, block_x, tally); break;
        case SC_YUYV: from_yuv<Packed<0>>(a, block_x, tally); break;
        case SC_RGB8: from_rgb_row(a, block_x, tally); break;
    }
    ScrubcamStats *stats = (ScrubcamStats *)a.stats;
    sc_add_all(&stats->sum, tally.sum);
    sc_add_all(&stats->lit, tally.lit);
    sc_add_all(&stats->clipped, tally.clipped);
    sc_add_all(&stats->check, tally.check);
}
