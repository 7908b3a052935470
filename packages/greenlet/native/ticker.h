// A thread that watches how long the running greenlet has run, and interrupts it.

#ifndef SWITCHYARD_GREENLET_TICKER_H_
#define SWITCHYARD_GREENLET_TICKER_H_

#include <time.h>
#include <v8.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace switchyard {

/** How long a thread has run on a CPU. A machine that stalls, and a process that is stopped, add nothing. */
using CpuTime = std::chrono::nanoseconds;
CpuTime CpuTimeOfThisThread();

/**
 * Asks V8 for an interrupt when one greenlet has run for a slice without a switch, again and again until there is one; and
 * for profiles in every sampling period. The thread exists from the first period that is set. It sleeps while no greenlet
 * runs, so that an idle process stays idle, and a switch costs one write: the thread alone reads the clock.
 */
class Ticker {
 public:
  using Clock = std::chrono::steady_clock;
  using Microseconds = std::chrono::microseconds;

  /** Made on the thread that runs JavaScript; each interrupt calls `callback(isolate, data)` there. */
  Ticker(v8::Isolate* isolate, v8::InterruptCallback callback, void* data);
  Ticker(const Ticker&) = delete;
  ~Ticker() { Stop(); }
  /** Ends the thread, for good. */
  void Stop();

  /** A period of zero turns it off. */
  void SetSlice(Microseconds slice);
  void SetSampling(Microseconds period);
  Microseconds slice() const { return slice_.load(std::memory_order_relaxed); }
  bool is_on() const { return is_on_.load(std::memory_order_relaxed); }

  /** Called at each switch: whether a greenlet runs from now on, or the isolate's own stack. */
  void Switched(bool to_greenlet);

  struct Interrupt {
    bool slice_is_over;
    bool sample_is_due;
    /**
     * What the thread that made this ticker had run when the watch first saw the running greenlet, at most half a slice after
     * that was entered.
     */
    CpuTime since;
  };
  /** Called in the interrupt: what is due for the greenlet that runs. What was asked of another one is dropped. */
  Interrupt TakeInterrupt();

 private:
  void Start();
  void Run();
  Microseconds Tick() const;
  void Look(Clock::time_point now);
  void RestWhenIdle();

  v8::Isolate* const isolate_;
  const v8::InterruptCallback callback_;
  void* const data_;
#if defined(__linux__)
  /** Of the thread that runs JavaScript. */
  clockid_t cpu_clock_{};
#endif

  std::atomic<Microseconds> slice_{Microseconds{0}};
  std::atomic<Microseconds> sampling_{Microseconds{0}};
  std::atomic<bool> is_on_{false};
  /** Counts switches by two; odd while a greenlet runs. */
  std::atomic<uint64_t> turn_{0};
  /** The turn that `since_` is the beginning of. */
  std::atomic<uint64_t> watched_turn_{0};
  std::atomic<bool> sample_is_due_{false};
  std::atomic<Clock::rep> since_{0};
  std::atomic<CpuTime::rep> cpu_since_{0};
  std::atomic<bool> is_asleep_{false};

  std::mutex mutex_;
  std::condition_variable wake_;
  bool is_stopping_ = false;
  /** A long wait for the period before is not waited out. */
  bool has_new_period_ = false;
  std::thread thread_;

  // The thread's own.
  Clock::time_point last_sample_{};
  int idle_ticks_ = 0;
};

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_TICKER_H_
