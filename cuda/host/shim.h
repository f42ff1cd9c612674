// Compiles the kernels for a CPU: a block has one lane, its loops are plain and vectorised, blocks go to a few threads.
#pragma once
#include <stdint.h>
#include <string.h>

#include "pool.h"

#define SC_FN static inline
#define SC_LANE 0
#define SC_LANES 1
#define SC_SYNC()
#define SC_SHARED
#define SC_UNROLL
#define SC_RUN 128
#define SC_PIXELS 64
#define SC_KERNEL(NAME, ARGS, LANES)                                                             \
    static void NAME##_block(const ARGS &a, int block_x, int block_y);                           \
    static void NAME##_any(const void *a, int block_x, int block_y) {                            \
        NAME##_block(*(const ARGS *)a, block_x, block_y);                                        \
    }                                                                                            \
    extern "C" __attribute__((visibility("default"))) void NAME(const ARGS *a, int blocks_x,       \
                                                                int blocks_y, int threads) {       \
        run_blocks(NAME##_any, a, blocks_x, blocks_y, threads);                                  \
    }                                                                                            \
    static void NAME##_block(const ARGS &a, [[maybe_unused]] int block_x, [[maybe_unused]] int block_y)

static inline void sc_add_all(uint64_t *sum, uint64_t value) { __atomic_fetch_add(sum, value, __ATOMIC_RELAXED); }
static inline void sc_count(uint32_t *bin) { *bin += 1; }
static inline void sc_load(uint8_t *to, const uint8_t *from) { memcpy(to, from, SC_RUN); }
static inline void sc_store(uint8_t *to, const uint8_t *from) { memcpy(to, from, SC_RUN); }
static inline void sc_fill(uint8_t *to, int count, uint8_t value) {
    if (count > 0) memset(to, value, (size_t)count);
}
static inline void sc_fill_pairs(uint8_t *to, int pairs, uint8_t first, uint8_t second) {
    for (int i = 0; i < pairs; ++i) to[2 * i] = first, to[2 * i + 1] = second;
}
