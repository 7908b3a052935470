// Where a greenlet may be parked without having asked for it.
//
// What runs between two waits belongs together in the eyes of whoever wrote it. The application's own code is told that
// this no longer holds when it asks for preemption; the code around it never was. So a greenlet is parked only where the
// innermost function is the application's, and where nobody further out is in the middle of something: Node's streams
// and servers, the module loader, a native function that waits for a callback and may hold a lock, or a library that
// the application names.

#include "preemption_policy.h"

#include <algorithm>
#include <string_view>

namespace switchyard {

namespace {

// Modules of Node that call a function and have nothing open meanwhile. Any other one that is on the stack forbids it.
constexpr std::string_view kTransparentModules[] = {
    "node:async_hooks",          "node:diagnostics_channel", "node:events",
    "node:internal/async_local_storage/",                    "node:internal/async_context_frame",
    "node:internal/event_target", "node:internal/util",      "node:vm",
};

bool BeginsWith(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

bool IsNode(const ScriptFrame& frame) { return BeginsWith(frame.script, "node:"); }

bool IsTransparent(const ScriptFrame& frame) {
  return std::any_of(std::begin(kTransparentModules), std::end(kTransparentModules), [&](std::string_view module) {
    return module.back() == '/' ? BeginsWith(frame.script, module) : frame.script == module;
  });
}

bool IsOwn(const ScriptFrame& frame, const PreemptionRules& rules) {
  return !rules.own_scripts.empty() && BeginsWith(frame.script, rules.own_scripts);
}

bool IsGuarded(const ScriptFrame& frame, const PreemptionRules& rules) {
  return std::any_of(rules.guarded.begin(), rules.guarded.end(),
                     [&](const std::string& part) { return frame.script.find(part) != std::string::npos; });
}

Refusal WhyNotInside(const ScriptFrame& frame, const PreemptionRules& rules) {
  if (frame.is_wasm) return Refusal::kWebAssembly;
  // The loader hands half a module to whoever requires it next.
  if (BeginsWith(frame.script, "node:internal/modules/")) return Refusal::kModuleLoading;
  if (IsNode(frame) && !IsTransparent(frame)) return Refusal::kNodeInternals;
  // A compiler that renames functions appends to the name.
  if (IsOwn(frame, rules) && BeginsWith(frame.function, "withoutSwitching")) return Refusal::kWithoutSwitching;
  if (IsGuarded(frame, rules)) return Refusal::kLibrary;
  return Refusal::kNone;
}

}  // namespace

Refusal WhyNotPreempt(const Moment& moment, const PreemptionRules& rules) {
  if (moment.microtask) return Refusal::kMicrotask;
  if (moment.match_begins) return Refusal::kMatchBegins;
  if (moment.callback_scope) return Refusal::kCallbackScope;
  if (moment.native_caller || moment.frames.empty()) return Refusal::kNativeCaller;
  for (const ScriptFrame& frame : moment.frames) {
    const Refusal refusal = WhyNotInside(frame, rules);
    if (refusal != Refusal::kNone) return refusal;
  }
  // The outer frames of every greenlet are this package's; in its innermost, it changes its own state.
  const ScriptFrame& innermost = moment.frames.front();
  if (IsNode(innermost)) return Refusal::kNodeInternals;
  if (IsOwn(innermost, rules)) return Refusal::kLibrary;
  return Refusal::kNone;
}

const char* NameOf(Refusal refusal) {
  switch (refusal) {
    case Refusal::kWithoutSwitching: return "withoutSwitching";
    case Refusal::kModuleLoading: return "moduleLoading";
    case Refusal::kNativeCaller: return "nativeCaller";
    case Refusal::kCallbackScope: return "callbackScope";
    case Refusal::kMicrotask: return "microtask";
    case Refusal::kMatchBegins: return "matchBegins";
    case Refusal::kWebAssembly: return "webAssembly";
    case Refusal::kNodeInternals: return "nodeInternals";
    case Refusal::kLibrary: return "library";
    case Refusal::kNone:
    case Refusal::kCount: return "";
  }
  return "";
}

}  // namespace switchyard
