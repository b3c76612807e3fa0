// Blocks of samples over threads.
#pragma once

#include <Python.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <mutex>

#include "crew.hpp"
#include "network.hpp"

// Raised when Python has an exception to raise, such as KeyboardInterrupt.
struct Interrupted {};

// Runs work(block, progress) for all blocks, on the calling thread and its crew. The first exception of a thread is
// thrown again in the caller. Python's lock is not held; the calling thread takes it ten times a second to see whether
// a signal has come in.
class Workers {
 public:
  template <class Work>
  static void run(int64_t blocks, int threads, Work work) {
    Workers all(blocks);
    const int64_t n = blocks < threads ? blocks : threads;
    const auto body = [&](bool calls) {
      const Progress progress = {calls ? &Workers::should_stop : &Workers::stopped, &all};
      for (int64_t block; (block = all.next_++) < all.blocks_ && !all.stop_;) {
        try {
          work(block, progress);
        } catch (...) {
          all.fail(std::current_exception());
        }
      }
    };
    Crew &crew = Crew::mine();
    if (n < 2 || crew.busy()) {
      body(true);
    } else {
      const std::function<void()> help = [&] { body(false); };
      crew.start(n - 1, help);
      body(true);
      while (!crew.wait()) all.look();
    }
    if (all.error_) std::rethrow_exception(all.error_);
    if (all.interrupted_) throw Interrupted();
  }

 private:
  explicit Workers(int64_t blocks) : blocks_(blocks), looked_(std::chrono::steady_clock::now()) {}

  static bool stopped(void *self) { return static_cast<Workers *>(self)->stop_; }

  static bool should_stop(void *self) {
    Workers &all = *static_cast<Workers *>(self);
    if (std::chrono::steady_clock::now() - all.looked_ > std::chrono::milliseconds(100)) all.look();
    return all.stop_;
  }

  void look() {
    looked_ = std::chrono::steady_clock::now();
    const PyGILState_STATE state = PyGILState_Ensure();
    if (!interrupted_ && PyErr_CheckSignals() != 0) {
      interrupted_ = true;  // the exception stays set in this thread
      stop_ = true;
    }
    PyGILState_Release(state);
  }

  void fail(std::exception_ptr error) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!error_) error_ = error;
    stop_ = true;
  }

  const int64_t blocks_;
  std::atomic<int64_t> next_{0};
  std::atomic<bool> stop_{false};
  bool interrupted_ = false;
  std::chrono::steady_clock::time_point looked_;  // of the calling thread alone
  std::mutex mutex_;
  std::exception_ptr error_;
};
