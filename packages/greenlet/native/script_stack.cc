// A stack that runs JavaScript.
//
// V8 lets several threads take turns in one isolate: the one that leaves holds an Unlocker, the one that comes takes the
// isolate's lock, and V8 archives and restores what it keeps for each thread (handles, the current context, try/catch
// chain, stack limit, pending interrupts). What V8 and Node keep for the isolate and not for the thread is carried by hand
// here: the async context, and the count of open callback scopes. The async id stack is carried in JavaScript, which
// alone can read it.
//
//   Resume, on the resumer's stack          Park, on this stack
//   remember depth and async context        take this stack's share off the depth, remember the async context
//   Exit, unlock, switch ───────────────►   lock, Enter, set the async context, add the share back, return
//   lock, Enter, set the async context ◄──  Exit, unlock, switch

#include "script_stack.h"

#include "handle_level.h"
#include "hub.h"
#include "native_frames.h"
#include "unlocked.h"
#include "v8_compat.h"

namespace switchyard {

ScriptStack::ScriptStack(Hub* hub, v8::Local<v8::Function> body)
    : hub_(hub), context_(hub->isolate(), hub->isolate()->GetCurrentContext()), body_(hub->isolate(), body) {}

bool ScriptStack::Allocate(Backend backend, size_t bytes, StackHost* host) {
  stack_ = NewStack(backend, bytes, this, host);
  return stack_ != nullptr;
}

ScriptStack::Outcome ScriptStack::Resume() {
  v8::Isolate* isolate = hub_->isolate();
  ScriptStack* const resumer = hub_->current;
  v8::Local<AsyncContext> async_context = GetAsyncContext(isolate);
  resumer_depth_ = *hub_->callback_depth;
  resumed_by_microtask_ = v8::MicrotasksScope::IsRunningMicrotasks(isolate);
  resumer_microtask_scopes_ = v8::MicrotasksScope::GetCurrentDepth(isolate);
  if (hub_->ticker().is_on()) own_async_id_ = hub_->async_scopes->CurrentId();
  is_preempted_ = false;
  state_ = State::kRunning;
  hub_->current = this;
  hub_->ticker().Switched(true);

  WhileUnlocked(isolate, [this] { stack_->Enter(); });

  hub_->current = resumer;
  if (hub_->stack_limit_is_foreign && resumer == nullptr) {
    // Why, is in own_stack.cc.
    hub_->stack_limit_is_foreign = false;
    isolate->SetStackLimit(hub_->own_stack_limit);
  }
  hub_->ticker().Switched(resumer != nullptr);
  SetAsyncContext(isolate, async_context);
  if (state_ != State::kEnded) return is_preempted_ ? Outcome::kPreempted : Outcome::kParked;
  if (is_being_ended_) return ends_when_interrupted_ ? Outcome::kKilled : Outcome::kOverLimit;
  if (terminated_) isolate->TerminateExecution();
  if (!error_.IsEmpty()) isolate->ThrowException(error_.Get(isolate));
  return Outcome::kEnded;
}

bool ScriptStack::Park(Keep keep, Pinned pinned) {
  v8::Isolate* isolate = hub_->isolate();
  // V8 is about to end it, and would end the next greenlet on this stack instead.
  if (is_being_ended_ || RunsMicrotask()) return false;
  if (pinned == Pinned::kRefuse && IsPinnedByCaller()) return false;
  v8::Local<AsyncContext> async_context;
  if (keep == Keep::kAsyncContext) async_context = GetAsyncContext(isolate);
  ran_ = {};
  resumed_ = {};
  ends_when_interrupted_ = false;
  SwitchBack();
  NoteResumedOnOwnThread();
  if (keep == Keep::kAsyncContext) SetAsyncContext(isolate, async_context);
  return true;
}

void ScriptStack::Preempt(CpuTime since) {
  v8::Isolate* isolate = hub_->isolate();
  const CpuTime ran = ran_ + (CpuTimeOfThisThread() - (resumed_ == CpuTime{} ? since : resumed_));
  if (hub_->run_limit.count() != 0 && ran >= hub_->run_limit) {
    if (!is_being_ended_) {
      hub_->counts.over_limit++;
      ends_when_interrupted_ = false;
    }
    is_being_ended_ = true;
    return isolate->TerminateExecution();
  }
  // Armed while this greenlet ran, it can't tell which async scopes are its own until it is resumed.
  const Refusal refusal = own_async_id_ == 0 ? Refusal::kNodeInternals : WhyNotPreempt(ThisMoment(), hub_->rules);
  if (refusal != Refusal::kNone) {
    hub_->counts.refusals[static_cast<size_t>(refusal)]++;
    return;
  }
  if (ends_when_interrupted_) {
    is_being_ended_ = true;
    return isolate->TerminateExecution();
  }
  hub_->counts.preemptions++;
  ran_ = ran;
  is_preempted_ = true;
  v8::HandleScope handles(isolate);
  const std::vector<AsyncScope> scopes = hub_->async_scopes->Leave(own_async_id_);
  v8::Local<AsyncContext> async_context = GetAsyncContext(isolate);
  SwitchBack();
  resumed_ = CpuTimeOfThisThread();
  SetAsyncContext(isolate, async_context);
  hub_->async_scopes->Return(scopes);
}

/** The ticker knows the clock of the isolate's thread alone; that of another thread counts this stack's greenlets and no more. */
void ScriptStack::NoteResumedOnOwnThread() {
  if (hub_->backend == Backend::kHandoff) resumed_ = CpuTimeOfThisThread();
}

bool ScriptStack::MayBePinned() const { return RunsMicrotask() || IsPinnedByCaller(); }

/** Two comparisons, for nearly every wait. */
bool ScriptStack::IsPinnedByCaller() const {
  if (IsInCallbackScope()) return true;
  if (!hub_->looks_at_frames && HandleLevel(hub_->isolate()) == plain_level_) return false;
  return FindNativeCaller(first_frame_).caller != NativeCaller::kNone;
}

ScriptStack::Pin ScriptStack::WhatPins() const {
  return {RunsMicrotask(), IsInCallbackScope(), FindNativeCaller(first_frame_)};
}

bool ScriptStack::HasNativeCaller() const { return switchyard::HasNativeCaller(first_frame_); }

/**
 * At the beginning of a match, the compiled code of a regular expression holds the address of its backtracking stack in a
 * register across the interrupt, and V8 moves that stack when it archives a thread's state. Further on the code reads the
 * address anew. (Seen on V8 13.6 and 14.6: a match that was parked at its beginning writes over V8's memory.) Where it
 * begins is the least depth of all that were seen; a match in compiled code that is interrupted is restarted by V8, so its
 * beginning is what is seen first.
 */
bool ScriptStack::BeginsMatch() const {
  const uintptr_t depth = DepthInRegularExpression(first_frame_);
  if (depth == 0) return false;
  if (hub_->match_depth == 0 || depth < hub_->match_depth) hub_->match_depth = depth;
  return depth == hub_->match_depth;
}

bool ScriptStack::IsInCallbackScope() const { return *hub_->callback_depth != resumer_depth_; }

/**
 * A microtask, or what V8's inspector evaluates: it opens a scope that settles promises at its end, and until then none is
 * settled in the whole isolate.
 */
bool ScriptStack::RunsMicrotask() const {
  v8::Isolate* isolate = hub_->isolate();
  if (v8::MicrotasksScope::GetCurrentDepth(isolate) > resumer_microtask_scopes_) return true;
  return !resumed_by_microtask_ && v8::MicrotasksScope::IsRunningMicrotasks(isolate);
}

/** Allocates in V8's heap. */
Moment ScriptStack::ThisMoment() const {
  constexpr int kEveryFrame = 100'000;
  v8::Isolate* isolate = hub_->isolate();
  v8::HandleScope handles(isolate);
  Moment moment;
  moment.microtask = RunsMicrotask();
  moment.callback_scope = IsInCallbackScope();
  moment.native_caller = HasNativeCaller();
  moment.match_begins = BeginsMatch();
  const auto text = [isolate](v8::Local<v8::String> value) {
    if (value.IsEmpty()) return std::string();
    v8::String::Utf8Value utf8(isolate, value);
    return std::string(*utf8, static_cast<size_t>(utf8.length()));
  };
  constexpr auto kNames = static_cast<v8::StackTrace::StackTraceOptions>(v8::StackTrace::kScriptName | v8::StackTrace::kFunctionName);
  v8::Local<v8::StackTrace> trace = v8::StackTrace::CurrentStackTrace(isolate, kEveryFrame, kNames);
  for (int index = 0; index < trace->GetFrameCount(); index++) {
    v8::Local<v8::StackFrame> frame = trace->GetFrame(isolate, static_cast<uint32_t>(index));
    moment.frames.push_back({text(frame->GetScriptName()), text(frame->GetFunctionName()), frame->IsWasm()});
  }
  return moment;
}

/** Switches stacks. Takes this stack's share off Node's count of open callbacks meanwhile. */
void ScriptStack::SwitchBack() {
  const size_t own_depth = *hub_->callback_depth - resumer_depth_;
  *hub_->callback_depth -= own_depth;
  state_ = State::kParked;
  last_frame_ = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));

  WhileUnlocked(hub_->isolate(), [this] { stack_->Leave(); });

  *hub_->callback_depth += own_depth;
}

StackWords ScriptStack::ParkedWords() const {
  return state_ == State::kParked ? StackWords{last_frame_, first_frame_} : StackWords{};
}

void ScriptStack::RunOnStack() {
  CallBody();
  // V8 keeps a record for each thread that has used the isolate. This one's identity ends with the stack.
  hub_->isolate()->DiscardThreadSpecificMetadata();
  state_ = State::kEnded;
}

void ScriptStack::CallBody() {
  v8::Isolate* isolate = hub_->isolate();
  first_frame_ = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  NoteResumedOnOwnThread();
  v8::Locker locked(isolate);
  v8::Isolate::Scope entered(isolate);
  // Without it V8 takes "here minus --stack-size", which is far below a stack of this size.
  isolate->SetStackLimit(stack_->script_limit());
  hub_->stack_limit_is_foreign = true;
  v8::HandleScope handles(isolate);
  v8::Local<v8::Context> context = context_.Get(isolate);
  v8::Context::Scope in_context(context);
  v8::TryCatch failure(isolate);
  v8::Local<v8::Function> body = body_.Get(isolate);
  ReleaseHandles();
  if (hub_->handle_level_of_call != kNoHandleLevel) plain_level_ = HandleLevel(isolate) + hub_->handle_level_of_call;
  if (!body->Call(isolate, context, v8::Undefined(isolate), 0, nullptr).IsEmpty()) return;
  terminated_ = failure.HasTerminated();
  if (terminated_) {
    isolate->CancelTerminateExecution();
    // A termination runs no `finally`, in which Node would have closed the scopes that it opened.
    if (is_being_ended_ && own_async_id_ != 0) hub_->async_scopes->Leave(own_async_id_);
  } else {
    error_.Reset(isolate, failure.Exception());
  }
}

void ScriptStack::ReleaseHandles() {
  context_.Reset();
  body_.Reset();
  error_.Reset();
}

}  // namespace switchyard
