// Keeps the async context right while the garbage collector runs.

#ifndef SWITCHYARD_GREENLET_ASYNC_CONTEXT_GUARD_H_
#define SWITCHYARD_GREENLET_ASYNC_CONTEXT_GUARD_H_

#include <v8.h>

#include "v8_compat.h"

namespace switchyard {

/**
 * V8 visits the slot that holds the isolate's async context once for each thread, those of parked stacks included. A
 * scavenge moves a young object at the first visit and, as it does not expect another one, moves the copy again at the
 * next: whoever was given the first copy is left with a forwarding pointer for an object, and the process dies later, far
 * away. (Seen on V8 14.6: a store of AsyncLocalStorage made since the last scavenge, and a scavenge in a greenlet.)
 * So the slot is empty during each collection, and the value waits in a handle that the collector visits once.
 */
class AsyncContextGuard {
 public:
  explicit AsyncContextGuard(v8::Isolate* isolate);
  ~AsyncContextGuard();
  AsyncContextGuard(const AsyncContextGuard&) = delete;

 private:
  static void BeforeCollection(v8::Isolate* isolate, v8::GCType type, v8::GCCallbackFlags flags, void* guard);
  static void AfterCollection(v8::Isolate* isolate, v8::GCType type, v8::GCCallbackFlags flags, void* guard);

  v8::Isolate* const isolate_;
  v8::Global<AsyncContext> waiting_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_ASYNC_CONTEXT_GUARD_H_
