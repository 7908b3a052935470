#include "ticker.h"

#include <pthread.h>

#include <algorithm>

#include "no_signals.h"

namespace switchyard {

namespace {

constexpr Ticker::Microseconds kShortestTick{250};
constexpr int kIdleTicksBeforeSleep = 20;

CpuTime Read(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + CpuTime(time.tv_nsec);
}

}  // namespace

CpuTime CpuTimeOfThisThread() { return Read(CLOCK_THREAD_CPUTIME_ID); }

Ticker::Ticker(v8::Isolate* isolate, v8::InterruptCallback callback, void* data)
    : isolate_(isolate), callback_(callback), data_(data) {
#if defined(__linux__)
  pthread_getcpuclockid(pthread_self(), &cpu_clock_);
#endif
}

void Ticker::Stop() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
  is_on_ = false;
}

void Ticker::SetSlice(Microseconds slice) {
  slice_ = slice;
  Start();
}

void Ticker::SetSampling(Microseconds period) {
  sampling_ = period;
  Start();
}

void Ticker::Start() {
  is_on_ = slice() != Microseconds{0} || sampling_.load() != Microseconds{0};
  if (is_on() && !thread_.joinable()) {
    const NoSignals no_signals;
    thread_ = std::thread([this] { Run(); });
  }
  std::lock_guard lock(mutex_);
  has_new_period_ = true;
  wake_.notify_one();
}

void Ticker::Switched(bool to_greenlet) {
  if (!is_on()) return;
  const uint64_t turn = turn_.load(std::memory_order_relaxed);
  // Written before `is_asleep_` is read, as the thread writes that before it reads this: one of the two sees the other.
  turn_.store(((turn | 1) + 1) | (to_greenlet ? 1 : 0));
  if (!to_greenlet || !is_asleep_.load()) return;
  std::lock_guard lock(mutex_);
  is_asleep_ = false;
  wake_.notify_one();
}

Ticker::Interrupt Ticker::TakeInterrupt() {
  const Clock::time_point since{Clock::duration(since_.load())};
  const bool is_watched = watched_turn_.load() == turn_.load(std::memory_order_relaxed);
  const bool slice_is_over = slice() != Microseconds{0} && is_watched && Clock::now() - since >= slice();
  return {slice_is_over, sample_is_due_.exchange(false), CpuTime(cpu_since_.load())};
}

/** The thread. Touches nothing of V8 but the one call that is made for other threads. */
void Ticker::Run() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    if (is_asleep_ || !is_on()) {
      wake_.wait(lock, [this] { return is_stopping_ || (!is_asleep_ && is_on()); });
    } else {
      wake_.wait_for(lock, Tick(), [this] { return is_stopping_ || has_new_period_; });
    }
    has_new_period_ = false;
    if (!is_stopping_ && is_on()) Look(Clock::now());
  }
}

Ticker::Microseconds Ticker::Tick() const {
  // Half a slice, so that a greenlet runs for at most one and a half.
  const Microseconds half_slice = slice_.load() / 2, sampling = sampling_.load();
  if (half_slice == Microseconds{0}) return std::max(sampling, kShortestTick);
  if (sampling == Microseconds{0}) return std::max(half_slice, kShortestTick);
  return std::max(std::min(half_slice, sampling), kShortestTick);
}

void Ticker::Look(Clock::time_point now) {
  const uint64_t turn = turn_.load();
  if ((turn & 1) == 0) return RestWhenIdle();
  idle_ticks_ = 0;
  if (turn != watched_turn_.load()) {
    since_ = now.time_since_epoch().count();
#if defined(__linux__)
    cpu_since_ = Read(cpu_clock_).count();
#endif
    watched_turn_ = turn;
  }
  const Microseconds slice = slice_.load(), sampling = sampling_.load();
  bool asks = slice != Microseconds{0} && now - Clock::time_point(Clock::duration(since_.load())) >= slice;
  if (sampling != Microseconds{0} && now - last_sample_ >= sampling) {
    last_sample_ = now;
    sample_is_due_ = true;
    asks = true;
  }
  // Asked again at every tick, because V8 notes what is asked of it with the stack that is active: in the middle of a
  // switch that is the one which is being left. What comes too late is dropped, and what comes twice finds nothing due.
  if (asks) isolate_->RequestInterrupt(callback_, data_);
}

void Ticker::RestWhenIdle() {
  if (++idle_ticks_ < kIdleTicksBeforeSleep) return;
  idle_ticks_ = 0;
  is_asleep_ = true;
  if ((turn_.load() & 1) != 0) is_asleep_ = false;
}

}  // namespace switchyard
