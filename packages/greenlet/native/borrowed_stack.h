// A stack with an identity that some thread has lent: what both ways of borrowing one have in common.
//
// The thread that runs JavaScript moves to the stack and the thread pointer of the lender. Who the lender is, and what has
// become of it meanwhile, is up to the derived classes.

#ifndef SWITCHYARD_GREENLET_BORROWED_STACK_H_
#define SWITCHYARD_GREENLET_BORROWED_STACK_H_

#include "stack.h"
#include "switch.h"

#if defined(SWITCHYARD_CAN_IMPERSONATE)

#include <cstdlib>

namespace switchyard {

class BorrowedStack : public Stack {
 public:
  BorrowedStack(const BorrowedStack&) = delete;

  /** Switches stacks. */
  void Enter() final { switchyard_switch(&entered_from_, &here_); }
  /** Switches stacks. */
  void Leave() final { switchyard_switch(&here_, &entered_from_); }

 protected:
  explicit BorrowedStack(StackBody* body) : body_(body) {}

  /** Writes the frame that the first Enter pops: below `top`, on a stack that nobody runs on there. */
  void PrepareFirstFrame(uintptr_t top, size_t bytes, void* thread_pointer) {
    top &= ~uintptr_t{15};
    SetTop(top, bytes);
    auto* frame = reinterpret_cast<uintptr_t*>(top) - kFrameWords;
    for (size_t word = 0; word < kFrameWords; word++) frame[word] = 0;
    frame[kFunctionSlot] = reinterpret_cast<uintptr_t>(&BorrowedStack::Run);
    frame[kArgumentSlot] = reinterpret_cast<uintptr_t>(this);
    frame[kReturnSlot] = reinterpret_cast<uintptr_t>(&switchyard_start);
    here_ = {frame, thread_pointer};
  }

 private:
  /** The first C++ frame on the stack. Switches away at its end and is never entered again. */
  static void Run(BorrowedStack* self) {
    self->body_->RunOnStack();
    self->Leave();
    std::abort();
  }

  StackBody* const body_;
  SwitchyardContext here_{};
  SwitchyardContext entered_from_{};
};

}  // namespace switchyard

#endif
#endif  // SWITCHYARD_GREENLET_BORROWED_STACK_H_
