// Giving the isolate away for a while.

#ifndef SWITCHYARD_GREENLET_UNLOCKED_H_
#define SWITCHYARD_GREENLET_UNLOCKED_H_

#include <v8.h>

namespace switchyard {

/** Runs `action` while other threads may use the isolate, and takes it back. A switch of stacks in it is one to another thread. */
template <typename Action>
void WhileUnlocked(v8::Isolate* isolate, Action action) {
  // Exit before and Enter after, because V8's thread-locals (current isolate, write barrier, stack start) are set by Enter.
  isolate->Exit();
  {
    v8::Unlocker unlocked(isolate);
    action();
  }
  isolate->Enter();
}

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_UNLOCKED_H_
