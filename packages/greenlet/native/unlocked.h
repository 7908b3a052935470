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
    // Before the lock is taken again: taking it enters the isolate for a moment, which costs next to nothing in a thread that
    // has entered it. Nobody else touches the isolate by then: who ran in it has left it, and sleeps or has switched to us.
    isolate->Enter();
  }
}

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_UNLOCKED_H_
