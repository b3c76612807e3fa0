// Threads that help a calling thread, kept from one of its calls to the next.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

class Crew {
 public:
  // The crew of the calling thread. A process that was forked starts a new one: threads are not copied.
  static Crew &mine() {
    static thread_local Owner owner;
    if (!owner.crew || owner.crew->process_ != this_process()) owner.crew = new Crew;
    return *owner.crew;
  }

  // Whether it is at work: a signal's handler may call the kernel in the middle of another call.
  bool busy() const { return busy_; }

  // Lets up to n helpers do the work; fewer where the system has no more threads. It must outlive wait().
  void start(int64_t n, const std::function<void()> &work) {
    while (int64_t(threads_.size()) < n) {
      try {
        threads_.emplace_back(&Crew::help, this, int64_t(threads_.size()));
      } catch (const std::system_error &) {
        break;
      }
    }
    std::lock_guard<std::mutex> lock(mutex_);
    busy_ = true;
    work_ = &work;
    wanted_ = n < int64_t(threads_.size()) ? n : int64_t(threads_.size());
    running_ = wanted_;
    ++round_;
    wake_.notify_all();
  }

  // Whether the helpers are done, after at most a tenth of a second.
  bool wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    const bool done = done_.wait_for(lock, std::chrono::milliseconds(100), [&] { return running_ == 0; });
    busy_ = !done;
    return done;
  }

  Crew(const Crew &) = delete;

 private:
  struct Owner {
    Crew *crew = nullptr;
    ~Owner() {
      if (crew && crew->process_ == this_process()) delete crew;
    }
  };

  Crew() : process_(this_process()) {}
  ~Crew() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      over_ = true;
      ++round_;
      wake_.notify_all();
    }
    for (std::thread &thread : threads_) thread.join();
  }

  void help(int64_t number) {
    for (int64_t seen = 0;;) {
      const std::function<void()> *work;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return round_ != seen; });
        if (over_) return;
        seen = round_;
        work = number < wanted_ ? work_ : nullptr;
      }
      if (!work) continue;
      (*work)();
      std::lock_guard<std::mutex> lock(mutex_);
      if (--running_ == 0) done_.notify_one();
    }
  }

  static long this_process() {
#if defined(__unix__) || defined(__APPLE__)
    return long(getpid());
#else
    return 0;  // processes don't fork there
#endif
  }

  const long process_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void()> *work_ = nullptr;  // of this round, for helpers 0 to wanted - 1
  int64_t wanted_ = 0, running_ = 0, round_ = 0;
  bool over_ = false;
  bool busy_ = false;  // the calling thread's alone
};
