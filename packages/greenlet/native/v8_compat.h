// The few V8 calls whose names differ between Node 24 (V8 13.6) and Node 26 (V8 14.6).

#ifndef SWITCHYARD_GREENLET_V8_COMPAT_H_
#define SWITCHYARD_GREENLET_V8_COMPAT_H_

#include <v8.h>

namespace switchyard {

// The value that carries AsyncLocalStorage's stores: V8 hands it on to promise reactions, and we hand it on to greenlets.
#if V8_MAJOR_VERSION >= 14
using AsyncContext = v8::Data;
inline v8::Local<AsyncContext> GetAsyncContext(v8::Isolate* isolate) {
  return isolate->GetContinuationPreservedEmbedderDataV2();
}
inline void SetAsyncContext(v8::Isolate* isolate, v8::Local<AsyncContext> value) {
  isolate->SetContinuationPreservedEmbedderDataV2(value);
}
inline v8::Local<v8::External> NewExternal(v8::Isolate* isolate, void* value) {
  return v8::External::New(isolate, value, v8::kExternalPointerTypeTagDefault);
}
inline void* ValueOf(v8::Local<v8::External> external) { return external->Value(v8::kExternalPointerTypeTagDefault); }
#else
using AsyncContext = v8::Value;
inline v8::Local<AsyncContext> GetAsyncContext(v8::Isolate* isolate) {
  return isolate->GetContinuationPreservedEmbedderData();
}
inline void SetAsyncContext(v8::Isolate* isolate, v8::Local<AsyncContext> value) {
  isolate->SetContinuationPreservedEmbedderData(value);
}
inline v8::Local<v8::External> NewExternal(v8::Isolate* isolate, void* value) {
  return v8::External::New(isolate, value);
}
inline void* ValueOf(v8::Local<v8::External> external) { return external->Value(); }
#endif

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_V8_COMPAT_H_
