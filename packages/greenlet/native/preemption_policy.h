// Where a greenlet may be parked without having asked for it. Pure: knows nothing of V8, and decides from what it is given.

#ifndef SWITCHYARD_GREENLET_PREEMPTION_POLICY_H_
#define SWITCHYARD_GREENLET_PREEMPTION_POLICY_H_

#include <string>
#include <vector>

namespace switchyard {

/** A function on the stack. `script` is a path, a URL, or "node:" and a name for what belongs to Node. */
struct ScriptFrame {
  std::string script;
  std::string function;
  bool is_wasm = false;
};

/** What is on a greenlet's stack at the moment when its slice is over. */
struct Moment {
  /** Innermost first. */
  std::vector<ScriptFrame> frames;
  /** Native code on the stack has called JavaScript and waits for it. */
  bool native_caller = false;
  /** Node's own native code has, and promises settle when it returns. */
  bool callback_scope = false;
  /** A microtask runs on this stack. */
  bool microtask = false;
  /** A regular expression has just begun to match. */
  bool match_begins = false;
};

struct PreemptionRules {
  /** What the scripts of this package begin with. */
  std::string own_scripts;
  /** Parts of paths, of libraries that must not be interrupted. */
  std::vector<std::string> guarded;
};

/** Why a greenlet is not parked now. It is asked again a moment later. */
enum class Refusal {
  kNone,
  kWithoutSwitching,
  kModuleLoading,
  kNativeCaller,
  kCallbackScope,
  kMicrotask,
  kMatchBegins,
  kWebAssembly,
  kNodeInternals,
  kLibrary,
  kCount,
};

/** The names that JavaScript knows them by, in the order of the enumeration; kNone is "". */
const char* NameOf(Refusal refusal);

Refusal WhyNotPreempt(const Moment& moment, const PreemptionRules& rules);

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_PREEMPTION_POLICY_H_
