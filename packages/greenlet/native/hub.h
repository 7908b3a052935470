// What the addon holds for one isolate. Workers have their own; nothing is shared between isolates.

#ifndef SWITCHYARD_GREENLET_HUB_H_
#define SWITCHYARD_GREENLET_HUB_H_

#include <v8.h>

#include <array>
#include <chrono>
#include <memory>
#include <vector>

#include "async_context_guard.h"
#include "async_scopes.h"
#include "loop_watch.h"
#include "preemption_policy.h"
#include "script_stack.h"
#include "ticker.h"

namespace switchyard {

class Hub final : private StackHost {
 public:
  explicit Hub(v8::Isolate* isolate)
      : isolate_(isolate),
        ticker_(std::make_unique<Ticker>(isolate, &Hub::OnInterrupt, this)) {}
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
  /** handle_level.h. */
  int handle_level_of_call = 0;
  /** Whether every wait looks at the frames: WebAssembly may run on stacks of its own, which the level does not tell. */
  bool looks_at_frames = false;
  /** The stack that JavaScript runs on; null on the isolate's own stack. */
  ScriptStack* current = nullptr;
  /** Set when Node has torn the environment down: nothing may be resumed any more. */
  bool closed = false;

  /** Node's stack of async scopes; set before anything is resumed. */
  std::unique_ptr<AsyncScopes> async_scopes;
  PreemptionRules rules;
  /** How long a greenlet may run without waiting; 0: for ever. */
  std::chrono::milliseconds run_limit{0};
  /** How deep the compiled code of a regular expression is at the beginning of a match, in bytes; 0: none was seen. */
  uintptr_t match_depth = 0;
  struct Counts {
    uint32_t preemptions = 0;
    uint32_t over_limit = 0;
    std::array<uint32_t, static_cast<size_t>(Refusal::kCount)> refusals{};
  };
  Counts counts;
  /** Of this isolate's loop, once somebody has asked for it. */
  std::unique_ptr<LoopWatch> loop_watch;

  /** From now on there may be parked stacks. */
  void GuardAsyncContext();
  /** A new stack's index, or -1 at `process_stacks`, or when the machine gives no more threads or memory. */
  int Add(v8::Local<v8::Function> body);
  /** Null when there is no such stack. */
  ScriptStack* At(int index) const;
  /** Frees an ended stack; its index is given out again. */
  void Remove(int index);
  /** Lets go of V8's handles, while the isolate still lives. */
  void Close();
  Ticker& ticker() const { return *ticker_; }

 private:
  void LetOthersIn(const std::function<void()>& make) override;
  void Introduce() override;
  /** Called by V8 between two steps of JavaScript. May switch stacks. */
  static void OnInterrupt(v8::Isolate* isolate, void* hub);

  v8::Isolate* const isolate_;
  /** Not there before a stack may be parked, and gone once the hub is closed. */
  std::unique_ptr<AsyncContextGuard> async_context_guard_;
  std::unique_ptr<Ticker> ticker_;
  std::vector<std::unique_ptr<ScriptStack>> stacks_;
  std::vector<int> free_indexes_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_HUB_H_
