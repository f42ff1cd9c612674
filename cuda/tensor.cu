// NV12 (limited BT.709) to a network's input: RGB planes of floats, normalised, scaled by area average or 1:1, in one
// pass. One block: one row of the output. Every float operation is rounded by itself (no fused multiply-add), so that
// every machine gets the same bits.
#include "kernel.cuh"

namespace {

const int kMostColumns = 4096;

SC_FN float clamped(float value) {
    value = value > 0.0f ? value : 0.0f;
    return value < 255.0f ? value : 255.0f;
}

// Where a row's red, green and blue go, and how they are normalised.
struct Planes {
    float *out[3];
    float mean[3], scale[3];
};

// Of the samples in the area of a few pixels side by side.
struct Sums {
    uint32_t y[SC_PIXELS], u[SC_PIXELS], v[SC_PIXELS];
};

// How much of [at, at + length) lies within [from, to).
SC_FN uint32_t shared_length(uint32_t at, uint32_t length, uint32_t from, uint32_t to) {
    const uint32_t low = at > from ? at : from, high = at + length < to ? at + length : to;
    return high > low ? high - low : 0;
}

// `count` pixels at x, from the sums of luma and chroma over the area of each.
SC_FN void put(const ScrubcamTensor &a, const Planes &planes, int x, int count, const Sums &sums) {
    float rgb[3][SC_PIXELS];
    SC_UNROLL for (int i = 0; i < SC_PIXELS; ++i) {
        const float luma = ((float)sums.y[i] * a.per_area - 16.0f) * a.luma_gain;
        const float cb = (float)sums.u[i] * a.per_area - 128.0f, cr = (float)sums.v[i] * a.per_area - 128.0f;
        rgb[0][i] = (clamped(luma + cr * a.red_cr) - planes.mean[0]) * planes.scale[0];
        rgb[1][i] = (clamped((luma - cb * a.green_cb) - cr * a.green_cr) - planes.mean[1]) * planes.scale[1];
        rgb[2][i] = (clamped(luma + cb * a.blue_cb) - planes.mean[2]) * planes.scale[2];
    }
    SC_UNROLL for (int c = 0; c < 3; ++c)
        if (count == SC_PIXELS)
            memcpy(planes.out[c] + x, rgb[c], sizeof rgb[c]);
        else
            for (int i = 0; i < count; ++i) planes.out[c][x + i] = rgb[c][i];
}

}  // namespace

// Blocks: (rows of the output, 1).
SC_KERNEL(scrubcam_tensor, ScrubcamTensor, 256) {
    const ScrubcamTensor t = a;  // its own copy: nothing that is written can change it
    float *row = (float *)t.out + (int64_t)block_x * t.out_row;
    const bool beside = block_x >= t.fit_height;
    const int fit = beside ? 0 : t.fit_width;
    Planes planes = {};
    SC_UNROLL for (int colour = 0; colour < 3; ++colour) {
        const int c = t.order[0] == colour ? 0 : t.order[1] == colour ? 1 : 2;
        planes.out[colour] = row + c * t.out_plane;
        planes.mean[colour] = c == 0 ? t.mean[0] : c == 1 ? t.mean[1] : t.mean[2];
        planes.scale[colour] = c == 0 ? t.scale[0] : c == 1 ? t.scale[1] : t.scale[2];
    }
    SC_FOR(i, t.out_width - fit) {
        SC_UNROLL for (int c = 0; c < 3; ++c) planes.out[c][fit + i] = t.pad;
    }
    if (beside) return;

    const uint8_t *y = (const uint8_t *)t.y, *uv = (const uint8_t *)t.uv;
    if (t.from_x == 1 && t.to_x == 1 && t.from_y == 1 && t.to_y == 1) {
        const uint8_t *luma = y + (int64_t)block_x * t.y_pitch, *chroma = uv + (int64_t)(block_x / 2) * t.uv_pitch;
        SC_FOR(i, (fit + SC_PIXELS - 1) / SC_PIXELS) {
            Sums sums = {};
            const int x = i * SC_PIXELS, count = sc_min(SC_PIXELS, fit - x);
            for (int j = 0; j < count; ++j) {
                sums.y[j] = luma[x + j];
                sums.u[j] = chroma[(x + j) & ~1];
                sums.v[j] = chroma[(x + j) | 1];
            }
            put(t, planes, x, count, sums);
        }
        return;
    }

    // Down: sums over the rows of this output row, for each source column.
    SC_SHARED uint32_t y_sums[kMostColumns], u_sums[kMostColumns / 2], v_sums[kMostColumns / 2];
    const uint32_t top = (uint32_t)block_x * t.from_y, bottom = top + t.from_y;
    const int first = (int)(top / t.to_y), last = (int)((bottom - 1) / t.to_y), columns = (t.width + 1) / 2;
    SC_FOR(i, t.width) y_sums[i] = 0;
    SC_FOR(i, columns) u_sums[i] = v_sums[i] = 0;
    for (int k = first; k <= last; ++k) {
        const uint32_t weight = shared_length((uint32_t)k * t.to_y, t.to_y, top, bottom);
        const uint8_t *luma = y + (int64_t)k * t.y_pitch;
        SC_FOR(i, t.width) y_sums[i] += weight * luma[i];
    }
    for (int k = first / 2; k <= last / 2; ++k) {
        const uint32_t begin = (uint32_t)(2 * k) * t.to_y, length = (uint32_t)sc_min(2, t.height - 2 * k) * t.to_y;
        const uint32_t weight = shared_length(begin, length, top, bottom);
        const uint8_t *chroma = uv + (int64_t)k * t.uv_pitch;
        SC_FOR(i, columns) u_sums[i] += weight * chroma[2 * i], v_sums[i] += weight * chroma[2 * i + 1];
    }
    SC_SYNC();

    // Across: the whole pixel, from those sums.
    const uint32_t to_x = t.to_x;
    SC_FOR(i, (fit + SC_PIXELS - 1) / SC_PIXELS) {
        Sums sums = {};
        const int x = i * SC_PIXELS, count = sc_min(SC_PIXELS, fit - x);
        uint32_t k = (uint32_t)x * t.from_x / to_x, rest = to_x - (uint32_t)x * t.from_x % to_x;  // of source pixel k
        for (int j = 0; j < count; ++j) {
            uint32_t left = t.from_x, y_all = 0, u_all = 0, v_all = 0;
            while (left > 0) {
                const uint32_t weight = left < rest ? left : rest;
                y_all += weight * y_sums[k];
                u_all += weight * u_sums[k / 2];
                v_all += weight * v_sums[k / 2];
                left -= weight;
                rest -= weight;
                if (rest == 0) ++k, rest = to_x;
            }
            sums.y[j] = y_all, sums.u[j] = u_all, sums.v[j] = v_all;
        }
        put(t, planes, x, count, sums);
    }
}
