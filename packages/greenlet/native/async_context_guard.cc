#include "async_context_guard.h"

namespace switchyard {

AsyncContextGuard::AsyncContextGuard(v8::Isolate* isolate) : isolate_(isolate) {
  isolate_->AddGCPrologueCallback(BeforeCollection, this);
  isolate_->AddGCEpilogueCallback(AfterCollection, this);
}

AsyncContextGuard::~AsyncContextGuard() {
  isolate_->RemoveGCPrologueCallback(BeforeCollection, this);
  isolate_->RemoveGCEpilogueCallback(AfterCollection, this);
}

void AsyncContextGuard::BeforeCollection(v8::Isolate* isolate, v8::GCType, v8::GCCallbackFlags, void* guard) {
  v8::HandleScope handles(isolate);
  static_cast<AsyncContextGuard*>(guard)->waiting_.Reset(isolate, GetAsyncContext(isolate));
  SetAsyncContext(isolate, v8::Undefined(isolate));
}

void AsyncContextGuard::AfterCollection(v8::Isolate* isolate, v8::GCType, v8::GCCallbackFlags, void* guard) {
  v8::HandleScope handles(isolate);
  v8::Global<AsyncContext>& waiting = static_cast<AsyncContextGuard*>(guard)->waiting_;
  if (waiting.IsEmpty()) return;
  SetAsyncContext(isolate, waiting.Get(isolate));
  waiting.Reset();
}

}  // namespace switchyard
