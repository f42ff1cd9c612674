// Runs the blocks of a grid on the calling thread and a few helpers that sleep in between.
#pragma once

typedef void (*Block)(const void *args, int block_x, int block_y);

// Calls block(args, x, y) once for every 0 <= x < blocks_x, 0 <= y < blocks_y, on at most `threads` threads, the caller
// among them; returns when all are done. Any thread may call it at any time: helpers serve one grid after the other,
// and a grid that gets none is done by its caller alone.
void run_blocks(Block block, const void *args, int blocks_x, int blocks_y, int threads);
