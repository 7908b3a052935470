// What the addon holds for one isolate. Workers have their own; nothing is shared between isolates.

#ifndef SWITCHYARD_GREENLET_HUB_H_
#define SWITCHYARD_GREENLET_HUB_H_

#include <v8.h>

#include <memory>
#include <vector>

#include "async_context_guard.h"
#include "script_stack.h"

namespace switchyard {

class Hub {
 public:
  explicit Hub(v8::Isolate* isolate)
      : isolate_(isolate), async_context_guard_(std::make_unique<AsyncContextGuard>(isolate)) {}
  Hub(const Hub&) = delete;
  ~Hub();

  v8::Isolate* isolate() const { return isolate_; }

  Backend backend = Backend::kHandoff;
  size_t stack_bytes = 0;
  /** How many stacks may live in the whole process, all isolates together: the kernel counts them so. */
  size_t process_stacks = 0;
  /** The stack limit of the isolate's own stack (own_stack.cc), and whether V8 has been told another one since. */
  uintptr_t own_stack_limit = 0;
  bool stack_limit_is_foreign = false;
  /** Node's count of open callback scopes (callback_depth.cc). */
  size_t* callback_depth = nullptr;
  /** The stack that JavaScript runs on; null on the isolate's own stack. */
  ScriptStack* current = nullptr;
  /** Set when Node has torn the environment down: nothing may be resumed any more. */
  bool closed = false;

  /** A new stack's index, or -1 at `process_stacks`, or when the machine gives no more threads or memory. */
  int Add(v8::Local<v8::Function> body);
  /** Null when there is no such stack. */
  ScriptStack* At(int index) const;
  /** Frees an ended stack; its index is given out again. */
  void Remove(int index);
  /** Lets go of V8's handles, while the isolate still lives. */
  void Close();

 private:
  v8::Isolate* const isolate_;
  /** Gone once the hub is closed. */
  std::unique_ptr<AsyncContextGuard> async_context_guard_;
  std::vector<std::unique_ptr<ScriptStack>> stacks_;
  std::vector<int> free_indexes_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_HUB_H_
