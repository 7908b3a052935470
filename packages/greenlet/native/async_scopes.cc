#include "async_scopes.h"

#include <node.h>

namespace switchyard {

AsyncScopes::AsyncScopes(v8::Isolate* isolate, v8::Local<v8::Function> push, v8::Local<v8::Function> pop)
    : isolate_(isolate), push_(isolate, push), pop_(isolate, pop) {}

double AsyncScopes::CurrentId() const { return node::AsyncHooksGetExecutionAsyncId(isolate_); }

std::vector<AsyncScope> AsyncScopes::Leave(double own_id) const {
  std::vector<AsyncScope> left;
  // Id 0 is the bottom: an exception elsewhere may have cleared the whole stack, the greenlet's own entry too.
  for (double id = CurrentId(); id != own_id && id != 0 && CanLeave(); id = CurrentId()) {
    const AsyncScope scope{id, node::AsyncHooksGetTriggerAsyncId(isolate_)};
    // A worker that is being terminated runs nothing any more.
    if (!Call(pop_, scope)) break;
    left.push_back(scope);
  }
  return left;
}

void AsyncScopes::Return(const std::vector<AsyncScope>& left) const {
  for (auto scope = left.rbegin(); scope != left.rend(); ++scope) Call(push_, *scope);
}

void AsyncScopes::ReleaseHandles() {
  push_.Reset();
  pop_.Reset();
}

bool AsyncScopes::Call(const v8::Global<v8::Function>& function, const AsyncScope& scope) const {
  v8::HandleScope handles(isolate_);
  v8::Local<v8::Value> ids[] = {v8::Number::New(isolate_, scope.async_id), v8::Number::New(isolate_, scope.trigger_id)};
  v8::Local<v8::Context> context = isolate_->GetCurrentContext();
  // Node's own functions throw nothing when they are given numbers.
  return !function.Get(isolate_)->Call(context, v8::Undefined(isolate_), 2, ids).IsEmpty();
}

}  // namespace switchyard
