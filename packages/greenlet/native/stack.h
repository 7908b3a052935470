// A second stack for the one thread that runs JavaScript, and the three ways of having one.
//
// A Stack owns memory to run on and an identity that V8 and the C library take for a thread. It knows nothing of V8: it
// runs a body, which leaves and is entered again until it returns. `stack.cc` draws it.

#ifndef SWITCHYARD_GREENLET_STACK_H_
#define SWITCHYARD_GREENLET_STACK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace switchyard {

/** A part of a stack: the words from `low` on, below `high`. None where they are equal. */
struct StackWords {
  uintptr_t low = 0;
  uintptr_t high = 0;
};

/** What runs on a stack. Called once, on the stack itself, at the first Enter. */
class StackBody {
 public:
  virtual void RunOnStack() = 0;

 protected:
  ~StackBody() = default;
};

class Stack {
 public:
  /** Ends the identity and frees the memory, whether or not the body has returned. Frames left on it are not unwound. */
  virtual ~Stack() = default;

  /** Switches to this stack. Returns when the body has left or returned. */
  virtual void Enter() = 0;

  /** Called on this stack: switches back to whoever entered it. Returns at the next Enter. */
  virtual void Leave() = 0;

  /** The lowest address that JavaScript may use; below it is room for native code. Known after the first Enter. */
  uintptr_t script_limit() const { return script_limit_; }

 protected:
  /** Called once on the new stack with the address of a local at its top. */
  void SetTop(uintptr_t top, size_t bytes);

 private:
  uintptr_t script_limit_ = 0;
};

/** What whoever asks for a stack does for its maker, which knows nothing of V8. */
class StackHost {
 public:
  /** Runs `make`, and lets other threads use the isolate meanwhile. */
  virtual void LetOthersIn(const std::function<void()>& make) = 0;
  /** Called on a thread that is about to lend its identity, while others are let in: has V8 know where its stack begins. */
  virtual void Introduce() = 0;

 protected:
  ~StackHost() = default;
};

/** In ascending order: a machine that can run one can run those before it. */
enum class Backend { kHandoff, kImpersonation, kLight };

/** The last backend in that order that this machine can run, and why; why not the next one, where there is one. */
struct BackendCheck {
  Backend best;
  std::string reason;
};

BackendCheck CheckMachine();

/** A new stack of at least `bytes`. Null when the machine gives no more threads or memory. */
std::unique_ptr<Stack> NewStack(Backend backend, size_t bytes, StackBody* body, StackHost* host);

std::unique_ptr<Stack> NewHandoffStack(size_t bytes, StackBody* body);
std::unique_ptr<Stack> NewImpersonationStack(size_t bytes, StackBody* body);
std::unique_ptr<Stack> NewLightStack(size_t bytes, StackBody* body, StackHost* host);

/** Why this machine can't run light stacks; empty when it can. */
std::string WhyNotLight();

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_STACK_H_
