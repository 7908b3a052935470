// V8 keeps one size for all stacks of an isolate: that of the stack whose limit was set last. Wherever JavaScript throws, and
// wherever it collects garbage, V8 ends the process when the stack pointer lies deeper than that ("Check failed:
// IsOnCentralStack"). A greenlet's small limit must therefore not be the last one: the isolate's own is set again.

#include "own_stack.h"

#if defined(__linux__)
#include <pthread.h>
#endif

namespace switchyard {

namespace {

// How deep the first use of the addon lies, at most, where the thread's stack can't be asked for.
constexpr size_t kDepthOfFirstUse = 64 * 1024;

/** The highest address of the calling thread's stack. */
uintptr_t TopOfStack() {
#if defined(__linux__)
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    void* lowest = nullptr;
    size_t bytes = 0;
    pthread_attr_getstack(&attributes, &lowest, &bytes);
    pthread_attr_destroy(&attributes);
    return reinterpret_cast<uintptr_t>(lowest) + bytes;
  }
#endif
  const char here = 0;
  return reinterpret_cast<uintptr_t>(&here) + kDepthOfFirstUse;
}

}  // namespace

uintptr_t OwnStackLimit(size_t bytes) { return TopOfStack() - bytes; }

}  // namespace switchyard
