// Fills many regions at once, in place on NV12, in the colour of what lies around them; optionally with a soft edge
// outside. Works on the grid of chroma cells (2x2 pixels), so that neither plane shows what the other hides.
#include "kernel.cuh"

namespace {

const int kRing = 2;       // how far outside a shape's box its colour is taken, in cells
const int kSamples = 96;   // along each side of the box at most: enough for a median
const int kGrey = 126, kNoColour = 128;

SC_FN int cells(int pixels) { return (pixels + 1) / 2; }

SC_FN int64_t floor_div(int64_t value, int64_t by) {  // by > 0
    const int64_t down = value / by;
    return value % by < 0 ? down - 1 : down;
}

SC_FN bool in_ellipse(const ScrubcamShape &s, int column, int row) {
    // The cell's centre in the ellipse's own axes, drawn nearer by the cell's half extent along them.
    const int64_t dx = 16 * (2 * column + 1) - s.cx, dy = 16 * (2 * row + 1) - s.cy;
    int64_t along = (dx * s.ax + dy * s.ay) >> 14, across = (dy * s.ax - dx * s.ay) >> 14;
    along = (along < 0 ? -along : along) - s.reach;
    across = (across < 0 ? -across : across) - s.reach;
    const int64_t p = along < 0 ? 0 : (along * s.kx) >> 16, q = across < 0 ? 0 : (across * s.ky) >> 16;
    const int64_t one = 1 << 15;
    return p <= one && q <= one && p * p + q * q <= one * one;
}

// The cells of `row` that the shape covers: one span, because shapes are convex.
SC_FN ScrubcamSpan span_of(const ScrubcamShape &s, int row) {
    int left = s.left, right = s.right;
    if (s.kind == SC_HALF_PLANES) {
        for (int i = 0; i < 4; ++i) {
            // The corner of a cell that lies deepest inside the half plane decides.
            const int64_t nx = s.nx[i], room = s.d[i] - (int64_t)s.ny[i] * (2 * row + (s.ny[i] < 0 ? 2 : 0));
            if (nx > 0) {
                const int64_t last = floor_div(room, 2 * nx);
                if (last < right - 1) right = (int)(last < left - 1 ? left : last + 1);
            } else if (nx < 0) {
                const int64_t first = -floor_div(room, -2 * nx) - 1;
                if (first > left) left = (int)(first > right ? right : first);
            } else if (room < 0) {
                right = left;
            }
        }
    } else if (s.kind == SC_ELLIPSE) {
        while (left < right && !in_ellipse(s, left, row)) ++left;
        while (left < right && !in_ellipse(s, right - 1, row)) --right;
    }
    const ScrubcamSpan span = {left, right};
    return span;
}

SC_FN ScrubcamSpan span_at(const ScrubcamRedact &a, const ScrubcamShape &s, int row) {
    const ScrubcamSpan none = {0, 0};
    return row < s.top || row >= s.bottom ? none : ((const ScrubcamSpan *)a.spans)[s.spans_at + row - s.top];
}

SC_FN bool covers(const ScrubcamRedact &a, const ScrubcamShape &s, int column, int row) {
    const ScrubcamSpan span = span_at(a, s, row);
    return column >= span.left && column < span.right;
}

// ---- colour --------------------------------------------------------------------------------------------------------

// The middle of what was counted: the value at place n / 2 of the sorted samples.
SC_FN int median(const uint32_t *bins, uint32_t samples) {
    uint32_t below = 0;
    for (int value = 0; value < 255; ++value) {
        below += bins[value];
        if (below > samples / 2) return value;
    }
    return 255;
}

// Counts the cells of [top, bottom) x [left, right), every `down`th row and `across`th column, that no shape covers.
SC_FN void sample(const ScrubcamRedact &a, int top, int bottom, int left, int right, int down, int across,
                  uint32_t (*bins)[256], uint32_t *samples) {
    const ScrubcamShape *shapes = (const ScrubcamShape *)a.shapes;
    const int columns = (right - left + across - 1) / across, rows = (bottom - top + down - 1) / down;
    if (columns <= 0 || rows <= 0) return;
    SC_FOR(i, columns * rows) {
        const int row = top + i / columns * down, column = left + i % columns * across;
        bool free = true;
        for (int j = 0; j < a.count && free; ++j) free = !covers(a, shapes[j], column, row);
        if (!free) continue;
        const uint8_t *uv = (const uint8_t *)a.uv + (int64_t)row * a.uv_pitch + 2 * column;
        sc_count(&bins[0][((const uint8_t *)a.y)[(int64_t)(2 * row) * a.y_pitch + 2 * column]]);
        sc_count(&bins[1][uv[0]]);
        sc_count(&bins[2][uv[1]]);
        sc_count(samples);
    }
}

// ---- soft edge -----------------------------------------------------------------------------------------------------

// How far a cell lies from the nearest covered cell of the shape, the longer of both ways; more than `most`: far.
SC_FN int distance(const ScrubcamRedact &a, const ScrubcamShape &s, int column, int row, int most) {
    int least = most + 1;
    if (column < s.left - most || column >= s.right + most) return least;
    if (row < s.top - most || row >= s.bottom + most) return least;
    const int last = sc_min(row + most, s.bottom - 1);
    for (int other = sc_max(row - most, s.top); other <= last; ++other) {
        const ScrubcamSpan span = span_at(a, s, other);
        if (span.left >= span.right) continue;
        const int gap = column < span.left ? span.left - column : column >= span.right ? column - span.right + 1 : 0;
        least = sc_min(least, sc_max(gap, other < row ? row - other : other - row));
    }
    return least;
}

SC_FN uint8_t blend(uint8_t from, int to, int part, int whole) {
    return (uint8_t)((from * (whole - part) + to * part + whole / 2) / whole);
}

// Fades the cells of `row` that this shape is nearest to (the later one of two as near), if no shape covers them.
SC_FN void soften(const ScrubcamRedact &a, int index, int row) {
    const ScrubcamShape *shapes = (const ScrubcamShape *)a.shapes, &s = shapes[index];
    const ScrubcamColour colour = ((const ScrubcamColour *)a.colours)[index];
    const int left = sc_max(s.left - a.soft, 0), right = sc_min(s.right + a.soft, cells(a.width));
    const ScrubcamSpan own = span_at(a, s, row);
    SC_FOR(i, right - left) {
        const int column = left + i;
        if (column >= own.left && column < own.right) continue;
        const int near = distance(a, s, column, row, a.soft);
        bool mine = near >= 1 && near <= a.soft;
        for (int j = 0; j < a.count && mine; ++j) {
            if (j == index) continue;
            const int other = distance(a, shapes[j], column, row, near);
            mine = other > near || (other == near && j < index);
        }
        if (!mine) continue;
        const int part = a.soft + 1 - near, whole = a.soft + 1;
        for (int y = 2 * row; y < sc_min(2 * row + 2, a.height); ++y)
            for (int x = 2 * column; x < sc_min(2 * column + 2, a.width); ++x) {
                uint8_t *luma = (uint8_t *)a.y + (int64_t)y * a.y_pitch + x;
                *luma = blend(*luma, colour.y, part, whole);
            }
        uint8_t *uv = (uint8_t *)a.uv + (int64_t)row * a.uv_pitch + 2 * column;
        uv[0] = blend(uv[0], colour.u, part, whole);
        uv[1] = blend(uv[1], colour.v, part, whole);
    }
}

SC_FN void fill_cells(const ScrubcamRedact &a, int row, int left, int right, const ScrubcamColour &colour) {
    uint8_t *y = (uint8_t *)a.y + (int64_t)(2 * row) * a.y_pitch + 2 * left;
    const int pixels = sc_min(2 * right, a.width) - 2 * left;
    sc_fill(y, pixels, (uint8_t)colour.y);
    if (2 * row + 1 < a.height) sc_fill(y + a.y_pitch, pixels, (uint8_t)colour.y);
    uint8_t *uv = (uint8_t *)a.uv + (int64_t)row * a.uv_pitch + 2 * left;
    sc_fill_pairs(uv, right - left, (uint8_t)colour.u, (uint8_t)colour.v);
}

}  // namespace

// First of three: each shape's spans. Blocks: (shapes, 1).
SC_KERNEL(scrubcam_redact_spans, ScrubcamRedact, 128) {
    const ScrubcamShape &s = ((const ScrubcamShape *)a.shapes)[block_x];
    SC_FOR(i, s.bottom - s.top)((ScrubcamSpan *)a.spans)[s.spans_at + i] = span_of(s, s.top + i);
}

// Second: each shape's colour, before anything is painted. Blocks: (shapes, 1).
SC_KERNEL(scrubcam_redact_colours, ScrubcamRedact, 128) {
    const ScrubcamShape &s = ((const ScrubcamShape *)a.shapes)[block_x];
    SC_SHARED uint32_t bins[3][256];
    SC_SHARED uint32_t samples;
    SC_FOR(i, 256) bins[0][i] = bins[1][i] = bins[2][i] = 0;
    if (SC_LANE == 0) samples = 0;
    SC_SYNC();
    const int top = sc_max(s.top - kRing, 0), bottom = sc_min(s.bottom + kRing, cells(a.height));
    const int left = sc_max(s.left - kRing, 0), right = sc_min(s.right + kRing, cells(a.width));
    const int across = sc_max(1, (right - left) / kSamples), down = sc_max(1, (bottom - top) / kSamples);
    sample(a, top, s.top, left, right, 1, across, bins, &samples);
    sample(a, s.bottom, bottom, left, right, 1, across, bins, &samples);
    sample(a, s.top, s.bottom, left, s.left, down, 1, bins, &samples);
    sample(a, s.top, s.bottom, s.right, right, down, 1, bins, &samples);
    SC_SYNC();
    if (SC_LANE == 0) {
        const ScrubcamColour grey = {kGrey, kNoColour, kNoColour};
        const ScrubcamColour found = {median(bins[0], samples), median(bins[1], samples), median(bins[2], samples)};
        ((ScrubcamColour *)a.colours)[block_x] = samples ? found : grey;
    }
}

// Third: paints. Blocks: (rows of cells of the highest box and its soft edge, shapes). A cell that several shapes cover
// has the colour of the last one, so each shape leaves out what later ones paint.
SC_KERNEL(scrubcam_redact_paint, ScrubcamRedact, 64) {
    const ScrubcamShape *shapes = (const ScrubcamShape *)a.shapes, &s = shapes[block_y];
    const int row = s.top - a.soft + block_x;
    if (row < 0 || row >= cells(a.height) || row >= s.bottom + a.soft) return;
    const ScrubcamSpan span = span_at(a, s, row);
    for (int from = span.left; from < span.right;) {
        int to = span.right;
        for (int j = block_y + 1; j < a.count && from < to; ++j) {
            const ScrubcamSpan other = span_at(a, shapes[j], row);
            if (other.left >= other.right || other.left >= to || other.right <= from) continue;
            if (other.left > from) {
                to = other.left;
            } else {
                from = sc_min(other.right, span.right);
                to = span.right;
                j = block_y;  // what the earlier ones left out may have to be seen again
            }
        }
        if (from < to) fill_cells(a, row, from, to, ((const ScrubcamColour *)a.colours)[block_y]);
        from = to;
    }
    if (a.soft > 0) soften(a, block_y, row);
}

// The whole picture. Blocks: (rows of cells, 1). `shapes`, `spans`, `colours` are not used.
SC_KERNEL(scrubcam_fill_frame, ScrubcamRedact, 128) {
    const ScrubcamColour grey = {kGrey, kNoColour, kNoColour};
    fill_cells(a, block_x, 0, cells(a.width), grey);
}
