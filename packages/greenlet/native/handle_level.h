// How many of V8's handle scopes are open on the running stack.
//
// V8 opens one for each call from JavaScript into native code, and native code that calls JavaScript opens more. So a greenlet
// whose count is what it is at a plain wait has no native function in the middle of a call on its stack, which one
// comparison tells. V8's inlined interface reads this memory too, so its place is in V8's own headers (v8-internal.h).

#ifndef SWITCHYARD_GREENLET_HANDLE_LEVEL_H_
#define SWITCHYARD_GREENLET_HANDLE_LEVEL_H_

#include <v8.h>

namespace switchyard {

inline int HandleLevel(v8::Isolate* isolate) {
  // The scope data: two pointers, then the level.
  constexpr int kLevelOffset = v8::internal::Internals::kIsolateHandleScopeDataOffset + 2 * sizeof(void*);
  return *reinterpret_cast<const int*>(reinterpret_cast<const char*>(isolate) + kLevelOffset);
}

/** Returned where the level can't be trusted: every wait then looks at the frames. */
constexpr int kNoHandleLevel = -1;

/**
 * By how much the level in a native function that JavaScript has called exceeds that of whoever called the JavaScript.
 * Runs a script.
 */
int FindHandleLevelOfCall(v8::Isolate* isolate, v8::Local<v8::Context> context);

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_HANDLE_LEVEL_H_
