#include "loop_watch.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "no_signals.h"

namespace switchyard {

LoopWatch::LoopWatch(v8::Isolate* isolate, v8::Local<v8::Context> context, v8::Local<v8::Function> tell,
                     Settings settings)
    : isolate_(isolate), context_(isolate, context), tell_(isolate, tell), settings_(std::move(settings)) {
  const NoSignals no_signals;
  thread_ = std::thread([this] { Run(); });
}

void LoopWatch::Stop() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
  is_asking_ = false;
  tell_.Reset();
  context_.Reset();
}

int32_t LoopWatch::Number(size_t index) const {
  return __atomic_load_n(static_cast<int32_t*>(settings_.beats->Data()) + index, __ATOMIC_SEQ_CST);
}

/** The thread. Touches nothing of V8 but the one call that is made for other threads. */
void LoopWatch::Run() {
#ifdef __linux__
  pthread_setname_np(pthread_self(), "loop watch");
#endif
  std::unique_lock lock(mutex_);
  const auto until_next = [this] {
    return is_asking_ ? std::min(settings_.look_every, settings_.native_after) : settings_.look_every;
  };
  while (!wake_.wait_for(lock, until_next(), [this] { return is_stopping_; })) Look(Clock::now());
}

/** Time is counted in looks, so that a process that was stopped, or a machine that slept, is no held loop. */
void LoopWatch::Look(Clock::time_point now) {
  const int32_t beat = Beat(), allowed = LooksAllowed();
  if (beat != beat_ || allowed == 0) {
    beat_ = beat;
    looks_ = 0;
    tell_after_ = allowed;
    held_since_ = now.time_since_epoch().count();
    return;
  }
  if (is_asking_) {
    if (!was_native_ && now - asked_at_ >= settings_.native_after) TellNative(now);
    // Again, because V8 notes what is asked of it with the stack that is active, and greenlets have stacks of their own: in
    // the middle of a switch that is the one which is being left. What is answered twice finds nobody asking.
    isolate_->RequestInterrupt(Tell, this);
    return;
  }
  if (++looks_ < tell_after_) return;
  tell_after_ *= settings_.again_after;
  Ask(now);
}

void LoopWatch::Ask(Clock::time_point now) {
  asked_at_ = now;
  was_native_ = false;
  asked_at_beat_ = beat_;
  is_asking_ = true;
  isolate_->RequestInterrupt(Tell, this);
}

void LoopWatch::TellNative(Clock::time_point now) {
  was_native_ = true;
  const Milliseconds held = now - Clock::time_point(Clock::duration(held_since_.load()));
  const Milliseconds at = std::chrono::system_clock::now().time_since_epoch();
  char end[120];
  snprintf(end, sizeof end, ",\"heldMs\":%.1f,\"atMs\":%.0f,\"isLoading\":%s}\n", held.count(), at.count(),
           IsLoading() ? "true" : "false");
  const std::string line = settings_.native_line + end;
  // Whoever would read it has gone, or is far behind: nobody is left to be told.
  if (write(settings_.fd, line.data(), line.size()) < 0) return;
}

/** The interrupt: runs JavaScript in the middle of what holds the loop, in its async context. */
void LoopWatch::Tell(v8::Isolate* isolate, void* data) {
  auto* watch = static_cast<LoopWatch*>(data);
  if (!watch->is_asking_ || watch->tell_.IsEmpty()) return;
  if (watch->asked_at_beat_ != watch->Beat()) {
    // It has come round by itself: what runs now is not what held it.
    watch->is_asking_ = false;
    return;
  }
  v8::HandleScope handles(isolate);
  v8::Local<v8::Context> context = watch->context_.Get(isolate);
  v8::Context::Scope scope(context);
  // What it throws, or the end of this code by somebody else, is not for the code that is interrupted.
  v8::TryCatch caught(isolate);
  const Milliseconds held = Clock::now() - Clock::time_point(Clock::duration(watch->held_since_.load()));
  v8::Local<v8::Value> arguments[] = {v8::Number::New(isolate, held.count()),
                                      v8::Boolean::New(isolate, watch->was_native_)};
  [[maybe_unused]] const auto nothing = watch->tell_.Get(isolate)->Call(context, v8::Undefined(isolate), 2, arguments);
  if (caught.HasTerminated()) caught.ReThrow();
  watch->is_asking_ = false;
}

}  // namespace switchyard
