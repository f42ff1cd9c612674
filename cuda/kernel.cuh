// How a kernel is written: one function for a block, whose loops are shared by its lanes (GPU threads; one on a CPU).
#pragma once
#include <string.h>

#include "args.h"

// SC_FOR(i, n): the lanes share 0 <= i < n.     SC_SYNC(): all lanes have come here.
// SC_SHARED: memory of the block.               SC_RUN: bytes that one lane moves at once.
// SC_PIXELS: pixels of a tensor that one lane makes at once.
// SC_KERNEL(NAME, ARGS, LANES): begins the block function (a: arguments, block_x, block_y) and the entry point NAME.
#define SC_FOR(i, n) for (int i = SC_LANE; i < (n); i += SC_LANES)

#ifdef __CUDACC__

#define SC_FN static __device__ __forceinline__
#define SC_LANE ((int)threadIdx.x)
#define SC_LANES ((int)blockDim.x)
#define SC_SYNC() __syncthreads()
#define SC_SHARED __shared__
#define SC_UNROLL _Pragma("unroll")
#define SC_RUN 16
#define SC_PIXELS 1
#define SC_KERNEL(NAME, ARGS, LANES)                                           \
    SC_FN void NAME##_block(const ARGS &a, int block_x, int block_y);          \
    extern "C" __global__ void __launch_bounds__(LANES) NAME(const ARGS a) {   \
        NAME##_block(a, (int)blockIdx.x, (int)blockIdx.y);                     \
    }                                                                          \
    SC_FN void NAME##_block(const ARGS &a, int block_x, int block_y)

// One addition for all lanes of a block (the number of lanes is a multiple of 32).
SC_FN void sc_add_all(uint64_t *sum, uint64_t value) {
    for (int step = 16; step > 0; step >>= 1) value += __shfl_down_sync(0xffffffffu, value, step);
    if ((threadIdx.x & 31) == 0) atomicAdd((unsigned long long *)sum, (unsigned long long)value);
}

SC_FN void sc_count(uint32_t *bin) { atomicAdd(bin, 1u); }

SC_FN void sc_load(uint8_t *to, const uint8_t *from) {
    uint32_t words[4];
    if (((uintptr_t)from & 15) == 0) {
        const uint4 all = *(const uint4 *)from;
        words[0] = all.x, words[1] = all.y, words[2] = all.z, words[3] = all.w;
        memcpy(to, words, 16);
    } else if (((uintptr_t)from & 3) == 0) {
        SC_UNROLL for (int i = 0; i < 4; ++i) words[i] = ((const uint32_t *)from)[i];
        memcpy(to, words, 16);
    } else {
        SC_UNROLL for (int i = 0; i < 16; ++i) to[i] = from[i];
    }
}

SC_FN void sc_store(uint8_t *to, const uint8_t *from) {
    uint32_t words[4];
    memcpy(words, from, 16);
    if (((uintptr_t)to & 15) == 0) {
        *(uint4 *)to = make_uint4(words[0], words[1], words[2], words[3]);
    } else if (((uintptr_t)to & 3) == 0) {
        SC_UNROLL for (int i = 0; i < 4; ++i) ((uint32_t *)to)[i] = words[i];
    } else {
        SC_UNROLL for (int i = 0; i < 16; ++i) to[i] = from[i];
    }
}

// `count` bytes, or pairs of bytes, of one value.
SC_FN void sc_fill(uint8_t *to, int count, uint8_t value) {
    const int head = min(count, (int)(-(intptr_t)to & 15));
    const int runs = (count - head) / 16;
    const uint32_t word = value * 0x01010101u;
    SC_FOR(i, head) to[i] = value;
    SC_FOR(i, runs)((uint4 *)(to + head))[i] = make_uint4(word, word, word, word);
    for (int i = head + 16 * runs + SC_LANE; i < count; i += SC_LANES) to[i] = value;
}

SC_FN void sc_fill_pairs(uint8_t *to, int pairs, uint8_t first, uint8_t second) {
    if ((uintptr_t)to & 1) {  // an odd pitch: rare, and allowed
        SC_FOR(i, 2 * pairs) to[i] = i & 1 ? second : first;
        return;
    }
    const int head = min(pairs, (int)(-(intptr_t)to & 15) / 2);
    const int runs = (pairs - head) / 8;
    const uint32_t word = (first | (uint32_t)second << 8) * 0x00010001u;
    uint16_t *cells = (uint16_t *)to;
    SC_FOR(i, head) cells[i] = (uint16_t)word;
    SC_FOR(i, runs)((uint4 *)(cells + head))[i] = make_uint4(word, word, word, word);
    for (int i = head + 8 * runs + SC_LANE; i < pairs; i += SC_LANES) cells[i] = (uint16_t)word;
}

#else
#include "host/shim.h"
#endif

SC_FN int sc_min(int one, int other) { return one < other ? one : other; }
SC_FN int sc_max(int one, int other) { return one > other ? one : other; }
SC_FN uint8_t sc_byte(int value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }
