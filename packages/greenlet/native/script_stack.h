// A stack that runs JavaScript: what V8 and Node must be told when it is entered and left.

#ifndef SWITCHYARD_GREENLET_SCRIPT_STACK_H_
#define SWITCHYARD_GREENLET_SCRIPT_STACK_H_

#include <v8.h>

#include <memory>

#include "native_frames.h"
#include "preemption_policy.h"
#include "stack.h"
#include "ticker.h"

namespace switchyard {

class Hub;

class ScriptStack final : private StackBody {
 public:
  enum class State { kFresh, kRunning, kParked, kEnded };

  /** Runs `body` at the first Resume. */
  ScriptStack(Hub* hub, v8::Local<v8::Function> body);
  ScriptStack(const ScriptStack&) = delete;

  /** False when the machine gives no more threads or memory. */
  bool Allocate(Backend backend, size_t bytes, StackHost* host);

  enum class Outcome { kParked, kEnded, kPreempted, kOverLimit, kKilled };
  /**
   * Switches to this stack. Runs JavaScript until it parks or ends. Rethrows here what ended it, and the termination of the
   * isolate; not the termination by the limit or by EndWhenInterrupted, which are this stack's alone.
   */
  Outcome Resume();

  enum class Keep { kAsyncContext, kNothing };
  enum class Pinned { kRefuse, kPark };
  /**
   * Called on this stack: switches back to whoever resumed it. With kNothing, the stack takes the async context of its
   * next resumer instead of keeping its own. False, without switching, while this stack runs the microtask queue: the
   * queue would stay marked as running, and no promise of the isolate would be settled again. With kRefuse, also where
   * WhatPins tells of anything.
   */
  bool Park(Keep keep, Pinned pinned);

  /** What on this stack outlives no wait, or should be told of. Called on this stack. */
  struct Pin {
    bool microtask = false;
    bool callback_scope = false;
    NativeCallerFound native;
  };
  Pin WhatPins() const;
  /** Whether WhatPins tells of anything. Called on this stack. */
  bool MayBePinned() const;

  /**
   * Called on this stack, in an interrupt: switches back to whoever resumed it, where the policy allows it. Has V8 end
   * the greenlet instead when it has run for the limit since it last waited, or after EndWhenInterrupted. Counts what it does.
   *
   * @param since What the isolate's thread had run when this turn of it began.
   */
  void Preempt(CpuTime since);

  /** Whether native code on this stack waits for JavaScript to return. Called on this stack. */
  bool HasNativeCaller() const;
  /** Whether this stack is inside a callback of Node's, which lets promises settle when it returns. Called on this stack. */
  bool IsInCallbackScope() const;

  /**
   * Has V8 end the greenlet instead of parking it, when it is interrupted next before it waits. Does nothing to a greenlet
   * that was not parked by an interrupt. `false` takes it back.
   */
  void EndWhenInterrupted(bool ends) { ends_when_interrupted_ = ends && is_preempted_; }

  State state() const { return state_; }
  /** Its frames, while it is parked. */
  StackWords ParkedWords() const;
  /** Lets go of V8's handles, while the isolate still lives. */
  void ReleaseHandles();

 private:
  /** The first frame on the stack. Runs JavaScript. */
  void RunOnStack() override;
  void CallBody();
  bool IsPinnedByCaller() const;
  bool RunsMicrotask() const;
  bool BeginsMatch() const;
  Moment ThisMoment() const;
  void SwitchBack();
  void NoteResumedOnOwnThread();

  Hub* const hub_;
  std::unique_ptr<Stack> stack_;
  v8::Global<v8::Context> context_;
  v8::Global<v8::Function> body_;
  v8::Global<v8::Value> error_;
  State state_ = State::kFresh;
  bool terminated_ = false;
  bool is_preempted_ = false;
  /** V8 has been told to end the greenlet on this stack, and no other. */
  bool is_being_ended_ = false;
  bool ends_when_interrupted_ = false;
  /** How long the greenlet has run since it last waited, up to its last preemption. */
  CpuTime ran_{0};
  /** What its thread had run when it was resumed, where that was noted. */
  CpuTime resumed_{0};
  /** The async scope that Resume was called in; 0 when it was not looked at. */
  double own_async_id_ = 0;
  /** The frame of CallBody. */
  uintptr_t first_frame_ = 0;
  /** The frame of SwitchBack, while it is parked. */
  uintptr_t last_frame_ = 0;
  /** V8's level of handle scopes in a plain wait (handle_level.h). */
  int plain_level_ = -1;
  bool resumed_by_microtask_ = false;
  /** How many of V8's scopes that settle promises at their end were open when it was resumed. */
  int resumer_microtask_scopes_ = 0;
  size_t resumer_depth_ = 0;
};

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_SCRIPT_STACK_H_
