#include "hub.h"

#include <v8-profiler.h>

#include <atomic>

#include "unlocked.h"

namespace switchyard {

namespace {

// The one thing that isolates share, because the limits on threads and memory maps are the process's.
std::atomic<size_t> stacks_in_process{0};

}  // namespace

Hub::~Hub() { stacks_in_process -= stacks_.size() - free_indexes_.size(); }

int Hub::Add(v8::Local<v8::Function> body) {
  if (stacks_in_process >= process_stacks) return -1;
  auto stack = std::make_unique<ScriptStack>(this, body);
  if (!stack->Allocate(backend, stack_bytes, this)) return -1;
  stacks_in_process++;
  if (free_indexes_.empty()) {
    stacks_.push_back(std::move(stack));
    return static_cast<int>(stacks_.size()) - 1;
  }
  const int index = free_indexes_.back();
  free_indexes_.pop_back();
  stacks_[static_cast<size_t>(index)] = std::move(stack);
  return index;
}

void Hub::LetOthersIn(const std::function<void()>& make) { WhileUnlocked(isolate_, make); }

/** V8 asks the C library where a thread's stack begins when the thread first enters an isolate, and remembers it. */
void Hub::Introduce() {
  const v8::Locker locked(isolate_);
  const v8::Isolate::Scope entered(isolate_);
}

ScriptStack* Hub::At(int index) const {
  if (index < 0 || static_cast<size_t>(index) >= stacks_.size()) return nullptr;
  return stacks_[static_cast<size_t>(index)].get();
}

void Hub::Remove(int index) {
  stacks_[static_cast<size_t>(index)].reset();
  stacks_in_process--;
  free_indexes_.push_back(index);
}

void Hub::OnInterrupt(v8::Isolate* isolate, void* data) {
  Hub* hub = static_cast<Hub*>(data);
  const Ticker::Interrupt interrupt = hub->ticker().TakeInterrupt();
  ScriptStack* const stack = hub->current;
  if (hub->closed || stack == nullptr) return;
  // V8's own sampling takes no sample while another thread than the profiler's holds the isolate, as a greenlet's does.
  if (interrupt.sample_is_due) v8::CpuProfiler::CollectSample(isolate);
  if (interrupt.slice_is_over) stack->Preempt(interrupt.since);
}

void Hub::GuardAsyncContext() {
  if (!async_context_guard_) async_context_guard_ = std::make_unique<AsyncContextGuard>(isolate_);
}

void Hub::Close() {
  closed = true;
  async_context_guard_.reset();
  ticker_->Stop();
  if (loop_watch) loop_watch->Stop();
  if (async_scopes) async_scopes->ReleaseHandles();
  for (auto& stack : stacks_) {
    if (stack) stack->ReleaseHandles();
  }
}

}  // namespace switchyard
