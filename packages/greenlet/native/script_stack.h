// A stack that runs JavaScript: what V8 and Node must be told when it is entered and left.

#ifndef SWITCHYARD_GREENLET_SCRIPT_STACK_H_
#define SWITCHYARD_GREENLET_SCRIPT_STACK_H_

#include <v8.h>

#include <memory>

#include "stack.h"

namespace switchyard {

class Hub;

class ScriptStack final : private StackBody {
 public:
  enum class State { kFresh, kRunning, kParked, kEnded };

  /** Runs `body` at the first Resume. */
  ScriptStack(Hub* hub, v8::Local<v8::Function> body);
  ScriptStack(const ScriptStack&) = delete;

  /** False when the machine gives no more threads or memory. */
  bool Allocate(Backend backend, size_t bytes);

  /** Switches to this stack. Runs JavaScript until it parks or ends. Rethrows here what ended it, termination too. */
  void Resume();

  enum class Keep { kAsyncContext, kNothing };
  /**
   * Called on this stack: switches back to whoever resumed it. With kNothing, the stack takes the async context of its
   * next resumer instead of keeping its own. False, without switching, while this stack runs the microtask queue: the
   * queue would stay marked as running, and no promise of the isolate would be settled again.
   */
  bool Park(Keep keep);

  State state() const { return state_; }
  /** Lets go of V8's handles, while the isolate still lives. */
  void ReleaseHandles();

 private:
  /** The first frame on the stack. Runs JavaScript. */
  void RunOnStack() override;
  void CallBody();

  Hub* const hub_;
  std::unique_ptr<Stack> stack_;
  v8::Global<v8::Context> context_;
  v8::Global<v8::Function> body_;
  v8::Global<v8::Value> error_;
  State state_ = State::kFresh;
  bool terminated_ = false;
  bool resumed_by_microtask_ = false;
  size_t resumer_depth_ = 0;
};

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_SCRIPT_STACK_H_
