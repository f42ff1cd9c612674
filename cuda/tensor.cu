// NV12 (limited BT.709) to a network's input: RGB planes of floats, normalised, scaled by area average or 1:1, in one pass.
// One block: one row of the output. Every float operation is rounded by itself (no fused multiply-add), so that every
// machine gets the same bits.
#include "kernel.cuh"

namespace {

const int kMostColumns = 4096;

// How much of [at, at + length) lies within [from, to).
SC_FN uint32_t shared_length(uint32_t at, uint32_t length, uint32_t from, uint32_t to) {
    const uint32_t low = at > from ? at : from, high = at + length < to ? at + length : to;
    return high > low ? high - low : 0;
}

// One pixel from sums of luma and chroma over its area.
SC_FN void put(const ScrubcamTensor &a, float *row, int x, uint32_t y_sum, uint32_t u_sum, uint32_t v_sum) {
    const float luma = (float)((float)y_sum * a.per_area - 16.0f) * a.luma_gain;
    const float cb = (float)u_sum * a.per_area - 128.0f, cr = (float)v_sum * a.per_area - 128.0f;
    float rgb[3];
    rgb[0] = luma + cr * a.red_cr;
    rgb[1] = (luma - cb * a.green_cb) - cr * a.green_cr;
    rgb[2] = luma + cb * a.blue_cb;
    SC_UNROLL for (int c = 0; c < 3; ++c) {
        rgb[c] = rgb[c] > 0.0f ? rgb[c] : 0.0f;
        rgb[c] = rgb[c] < 255.0f ? rgb[c] : 255.0f;
    }
    SC_UNROLL for (int c = 0; c < 3; ++c) {
        const float value = a.order[c] == 0 ? rgb[0] : a.order[c] == 1 ? rgb[1] : rgb[2];
        row[c * a.out_plane + x] = (value - a.mean[c]) * a.scale[c];
    }
}

}  // namespace

SC_KERNEL(scrubcam_tensor, ScrubcamTensor, 256) {
    float *row = (float *)a.out + (int64_t)block_x * a.out_row;
    const bool beside = block_x >= a.fit_height;
    const int fit = beside ? 0 : a.fit_width, right = a.out_width - fit;
    SC_FOR(i, right) row[fit + i] = row[a.out_plane + fit + i] = row[2 * a.out_plane + fit + i] = a.pad;
    if (beside) return;

    const uint8_t *y = (const uint8_t *)a.y, *uv = (const uint8_t *)a.uv;
    if (a.from_x == 1 && a.to_x == 1 && a.from_y == 1 && a.to_y == 1) {
        const uint8_t *luma = y + (int64_t)block_x * a.y_pitch, *chroma = uv + (int64_t)(block_x / 2) * a.uv_pitch;
        SC_FOR(i, fit) put(a, row, i, luma[i], chroma[i & ~1], chroma[i | 1]);
        return;
    }

    // Down: sums over the rows of this output row, for each source column.
    SC_SHARED uint32_t y_sums[kMostColumns], u_sums[kMostColumns / 2], v_sums[kMostColumns / 2];
    const uint32_t top = (uint32_t)block_x * a.from_y, bottom = top + a.from_y;
    const int first = (int)(top / a.to_y), last = (int)((bottom - 1) / a.to_y), columns = (a.width + 1) / 2;
    SC_FOR(i, a.width) y_sums[i] = 0;
    SC_FOR(i, columns) u_sums[i] = v_sums[i] = 0;
    for (int k = first; k <= last; ++k) {
        const uint32_t weight = shared_length((uint32_t)k * a.to_y, a.to_y, top, bottom);
        const uint8_t *luma = y + (int64_t)k * a.y_pitch;
        SC_FOR(i, a.width) y_sums[i] += weight * luma[i];
    }
    for (int k = first / 2; k <= last / 2; ++k) {
        const uint32_t begin = (uint32_t)(2 * k) * a.to_y, length = (uint32_t)sc_min(2, a.height - 2 * k) * a.to_y;
        const uint32_t weight = shared_length(begin, length, top, bottom);
        const uint8_t *chroma = uv + (int64_t)k * a.uv_pitch;
        SC_FOR(i, columns) u_sums[i] += weight * chroma[2 * i], v_sums[i] += weight * chroma[2 * i + 1];
    }
    SC_SYNC();

    // Across: the whole pixel, from those sums.
    SC_FOR(i, fit) {
        const uint32_t from = (uint32_t)i * a.from_x, to = from + a.from_x;
        const uint32_t left = from / a.to_x, end = (to - 1) / a.to_x;
        uint32_t y_sum = 0, u_sum = 0, v_sum = 0;
        for (uint32_t k = left; k <= end; ++k) y_sum += shared_length(k * a.to_x, a.to_x, from, to) * y_sums[k];
        for (uint32_t k = left / 2; k <= end / 2; ++k) {
            const uint32_t length = (uint32_t)sc_min(2, a.width - 2 * (int)k) * a.to_x;
            const uint32_t weight = shared_length(2 * k * a.to_x, length, from, to);
            u_sum += weight * u_sums[k];
            v_sum += weight * v_sums[k];
        }
        put(a, row, i, y_sum, u_sum, v_sum);
    }
}
