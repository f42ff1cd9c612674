// Runs the blocks of a grid on the calling thread and a few helpers that sleep in between.
#include "pool.h"

#include <stdint.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace {

const int kMostHelpers = 15;
const int kSharesPerThread = 4;  // small enough that a thread that is held up keeps nobody waiting for long

struct Grid {
    Block block;
    const void *args;
    int64_t blocks;
    int blocks_x;
    int64_t share;
    std::atomic<int64_t> next{0};
    int wanted = 0;  // helpers still to come; under the pool's mutex, like `inside`
    int inside = 0;

    void work() {
        for (int64_t from; (from = next.fetch_add(share)) < blocks;) {
            const int64_t to = from + share < blocks ? from + share : blocks;
            for (int64_t i = from; i < to; ++i) block(args, (int)(i % blocks_x), (int)(i / blocks_x));
        }
    }
};

struct Pool {
    std::mutex mutex;
    std::condition_variable come, gone;
    std::deque<Grid *> waiting;
    int helpers = 0;

    void help() {
        std::unique_lock<std::mutex> lock(mutex);
        for (;;) {
            come.wait(lock, [this] { return !waiting.empty(); });
            Grid *grid = waiting.front();
            if (--grid->wanted == 0) waiting.pop_front();
            ++grid->inside;
            lock.unlock();
            grid->work();
            lock.lock();
            if (--grid->inside == 0) gone.notify_all();
        }
    }

    void run(Grid *grid, int helpers_wanted) {
        {
            std::lock_guard<std::mutex> lock(mutex);
            for (; helpers < helpers_wanted; ++helpers) std::thread([this] { help(); }).detach();
            grid->wanted = helpers_wanted;
            waiting.push_back(grid);
        }
        for (int i = 0; i < helpers_wanted; ++i) come.notify_one();
        grid->work();
        std::unique_lock<std::mutex> lock(mutex);
        for (auto it = waiting.begin(); it != waiting.end(); ++it) {
            if (*it == grid) {  // done before every helper woke up: none may come any more
                waiting.erase(it);
                break;
            }
        }
        gone.wait(lock, [grid] { return grid->inside == 0; });
    }
};

Pool &pool() {
    static Pool *one = new Pool;  // never destroyed: its helpers live as long as the process
    return *one;
}

}  // namespace

void run_blocks(Block block, const void *args, int blocks_x, int blocks_y, int threads) {
    Grid grid;
    grid.block = block, grid.args = args, grid.blocks_x = blocks_x;
    grid.blocks = (int64_t)blocks_x * blocks_y;
    int helpers = threads - 1 < kMostHelpers ? threads - 1 : kMostHelpers;
    if (helpers >= grid.blocks) helpers = (int)grid.blocks - 1;
    grid.share = grid.blocks / ((int64_t)kSharesPerThread * (helpers + 1)) + 1;
    if (helpers <= 0)
        grid.work();
    else
        pool().run(&grid, helpers);
}
