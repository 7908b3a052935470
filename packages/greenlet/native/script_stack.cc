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

#include "hub.h"
#include "v8_compat.h"

namespace switchyard {

namespace {

/** Switches stacks: gives the isolate away, switches, and takes it back when somebody has switched here again. */
template <typename Switch>
void SwitchUnlocked(v8::Isolate* isolate, Switch switch_stacks) {
  // Exit before and Enter after, because V8's thread-locals (current isolate, write barrier, stack start) are set by Enter.
  isolate->Exit();
  {
    v8::Unlocker unlocked(isolate);
    switch_stacks();
  }
  isolate->Enter();
}

}  // namespace

ScriptStack::ScriptStack(Hub* hub, v8::Local<v8::Function> body)
    : hub_(hub), context_(hub->isolate(), hub->isolate()->GetCurrentContext()), body_(hub->isolate(), body) {}

bool ScriptStack::Allocate(Backend backend, size_t bytes) {
  stack_ = NewStack(backend, bytes, this);
  return stack_ != nullptr;
}

void ScriptStack::Resume() {
  v8::Isolate* isolate = hub_->isolate();
  ScriptStack* const resumer = hub_->current;
  v8::Local<AsyncContext> async_context = GetAsyncContext(isolate);
  resumer_depth_ = *hub_->callback_depth;
  resumed_by_microtask_ = v8::MicrotasksScope::IsRunningMicrotasks(isolate);
  state_ = State::kRunning;
  hub_->current = this;

  SwitchUnlocked(isolate, [this] { stack_->Enter(); });

  hub_->current = resumer;
  if (hub_->stack_limit_is_foreign && resumer == nullptr) {
    // Why, is in own_stack.cc.
    hub_->stack_limit_is_foreign = false;
    isolate->SetStackLimit(hub_->own_stack_limit);
  }
  SetAsyncContext(isolate, async_context);
  if (state_ != State::kEnded) return;
  if (terminated_) isolate->TerminateExecution();
  if (!error_.IsEmpty()) isolate->ThrowException(error_.Get(isolate));
}

bool ScriptStack::Park(Keep keep) {
  v8::Isolate* isolate = hub_->isolate();
  if (!resumed_by_microtask_ && v8::MicrotasksScope::IsRunningMicrotasks(isolate)) return false;
  v8::Local<AsyncContext> async_context;
  if (keep == Keep::kAsyncContext) async_context = GetAsyncContext(isolate);
  const size_t own_depth = *hub_->callback_depth - resumer_depth_;
  *hub_->callback_depth -= own_depth;
  state_ = State::kParked;

  SwitchUnlocked(isolate, [this] { stack_->Leave(); });

  *hub_->callback_depth += own_depth;
  if (keep == Keep::kAsyncContext) SetAsyncContext(isolate, async_context);
  return true;
}

void ScriptStack::RunOnStack() {
  CallBody();
  // V8 keeps a record for each thread that has used the isolate. This one's identity ends with the stack.
  hub_->isolate()->DiscardThreadSpecificMetadata();
  state_ = State::kEnded;
}

void ScriptStack::CallBody() {
  v8::Isolate* isolate = hub_->isolate();
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
  if (!body->Call(context, v8::Undefined(isolate), 0, nullptr).IsEmpty()) return;
  terminated_ = failure.HasTerminated();
  if (terminated_) {
    isolate->CancelTerminateExecution();
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
