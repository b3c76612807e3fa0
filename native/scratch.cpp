// Memory that blocks work in, handed on from one to the next: fresh memory would be cleared page by page, and on new
// threads again in every call.

#include <cstdlib>
#include <mutex>
#include <new>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "network.hpp"

namespace {
constexpr int MOST = 16;  // pieces that are kept
struct Piece {
  void *data;
  size_t bytes;
};
Piece kept[MOST];
int n_kept = 0;
std::mutex guard;
#if defined(__unix__) || defined(__APPLE__)
// Where a process forks while a thread holds the lock, the child must not wait for it for ever.
[[maybe_unused]] const int at_fork =
    pthread_atfork([] { guard.lock(); }, [] { guard.unlock(); }, [] { guard.unlock(); });
#endif
}  // namespace

void *take_scratch(size_t bytes) {
  {
    std::lock_guard<std::mutex> lock(guard);
    for (int i = 0; i < n_kept; ++i)
      if (kept[i].bytes == bytes) {
        void *const data = kept[i].data;
        kept[i] = kept[--n_kept];
        return data;
      }
  }
  void *const data = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!data) throw std::bad_alloc();
  return data;
}

void give_scratch(void *data, size_t bytes) {
  {
    std::lock_guard<std::mutex> lock(guard);
    if (n_kept == MOST) {  // the oldest goes: other sizes are wanted now
      std::free(kept[0].data);
      for (int i = 1; i < MOST; ++i) kept[i - 1] = kept[i];
      --n_kept;
    }
    kept[n_kept++] = {data, bytes};
  }
}

void release_scratch() {
  std::lock_guard<std::mutex> lock(guard);
  for (int i = 0; i < n_kept; ++i) std::free(kept[i].data);
  n_kept = 0;
}
