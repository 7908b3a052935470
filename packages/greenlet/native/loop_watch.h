// A thread that watches whether an isolate's loop goes round, and has the code that holds it tell of itself.

#ifndef SWITCHYARD_GREENLET_LOOP_WATCH_H_
#define SWITCHYARD_GREENLET_LOOP_WATCH_H_

#include <v8.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace switchyard {

/**
 * JavaScript raises a number as long as its loop goes round; the thread looks at it, in periods. Once it has stood still for
 * as many looks as JavaScript has set, the thread interrupts what runs and has a function of JavaScript called there, on the
 * stack of what holds the loop. Where that is native code, which takes no interrupt, the thread writes a line by itself.
 *
 * The thread has a stack of its own and no heap: some kilobytes. A Worker that does the same takes seven megabytes.
 */
class LoopWatch {
 public:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::duration<double, std::milli>;

  static constexpr size_t kNumbers = 3;

  struct Settings {
    /** Numbers of 32 bits: the one that is raised; how many looks it may stand still, 0: for ever; 1 while it loads. */
    std::shared_ptr<v8::BackingStore> beats;
    Milliseconds look_every;
    /** A loop that goes on being held is told of again after as many times the looks. */
    int again_after;
    /** JavaScript answers within a few milliseconds; this long without an answer is native code. */
    Milliseconds native_after;
    /** Where the thread writes, and what: one JSON object without its end, to which it adds `heldMs`, `atMs` and `isLoading`. */
    int fd;
    std::string native_line;
  };

  LoopWatch(v8::Isolate* isolate, v8::Local<v8::Context> context, v8::Local<v8::Function> tell, Settings settings);
  LoopWatch(const LoopWatch&) = delete;
  /** Ends the thread. An interrupt that V8 still takes does nothing then, so the object must outlive the isolate. */
  void Stop();
  ~LoopWatch() { Stop(); }

 private:
  static void Tell(v8::Isolate* isolate, void* data);
  void Run();
  void Look(Clock::time_point now);
  void Ask(Clock::time_point now);
  void TellNative(Clock::time_point now);
  int32_t Number(size_t index) const;
  int32_t Beat() const { return Number(0); }
  int32_t LooksAllowed() const { return Number(1); }
  bool IsLoading() const { return Number(2) != 0; }

  v8::Isolate* const isolate_;
  v8::Global<v8::Context> context_;
  v8::Global<v8::Function> tell_;
  const Settings settings_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool is_stopping_ = false;
  std::thread thread_;

  /** Between the thread, which asks, and the interrupt, which answers. */
  std::atomic<bool> is_asking_{false};
  std::atomic<bool> was_native_{false};
  std::atomic<int32_t> asked_at_beat_{0};
  /** When the loop was seen to go round last. */
  std::atomic<Clock::rep> held_since_{0};

  // The thread's own.
  int32_t beat_ = -1;
  int64_t looks_ = 0;
  int64_t tell_after_ = 0;
  Clock::time_point asked_at_{};
};

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_LOOP_WATCH_H_
