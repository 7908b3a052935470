// What JavaScript sees of the addon: create a stack, resume it, park the current one. The TypeScript layer builds
// greenlets from these and is their only caller; arguments are checked all the same, so that no value from JavaScript can
// crash the process.
//
//   checkMachine()            -> { impersonation: boolean, light: boolean, reason: string }
//   open(backend, stackBytes, processStacks, ownStackBytes) -> boolean; false: Node's callback-scope count was not found, and nothing
//                                may be parked; at most `processStacks` stacks will live in the process at once
//   create(body)              -> index of a new stack; -1: that many live, or the machine gives no more threads or memory
//   resume(index)             -> true when the stack has ended and is freed, "overLimit" or "killed" when it was ended for that; "preempted"
//                when its slice was over
//   endWhenInterrupted(index, ends) (script_stack.h)
//   park(keepAsyncContext, evenPinned) -> false when refused (script_stack.h)
//   mayBePinned()             -> whether whatPins() tells of anything. Cheap where it does not
//   whatPins()                -> { microtask, callbackScope, native: "", "node", "sqlite", "addon" or "otherStack", file }
//   lookAtFrames()            has every wait look for what pins it, from now on (hub.h)
//   hasNativeCaller()         -> whether native code on the current stack waits for JavaScript to return
//   isInCallbackScope()       -> whether the current stack is inside a callback of Node's
//   preempt(sliceUs, limitMs, ownScripts, guarded) turns preemption on, or off with a slice of 0
//   profile(periodUs)         takes a sample of each running greenlet that often for V8's profiles; 0: none
//   watchLoop(beats, lookEveryMs, againAfter, nativeAfterMs, fd, nativeLine, tell) watches the loop from now on: `tell` is called
//                with (heldMs, wasNative) on the stack of what holds it (loop_watch.h)
//   counts()                  -> { preemptions, overLimit, refusals: { <reason>: count }, knowsMatches }
//   whyNotPreempt(moment, ownScripts, guarded) -> the policy's answer (preemption_policy.h), "" where it may be
//   resumable(stacks, wakers) -> for each index of a parked stack (-1: it has none), and the objects that whoever can resume it must
//                have hold of, whether it can be resumed (reachability.h). Called with nothing but the event loop below
//   pushAsyncScope(asyncId, triggerId), popAsyncScope(asyncId): Node's own; absent when this Node does not export them

#include <dlfcn.h>
#include <node.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "callback_depth.h"
#include "handle_level.h"
#include "hub.h"
#include "own_stack.h"
#include "reachability.h"
#include "v8_compat.h"

namespace switchyard {

namespace {

using Arguments = v8::FunctionCallbackInfo<v8::Value>;

Hub* HubOf(const Arguments& arguments) { return static_cast<Hub*>(ValueOf(arguments.Data().As<v8::External>())); }

v8::Local<v8::String> Text(v8::Isolate* isolate, std::string_view text) {
  return v8::String::NewFromUtf8(isolate, text.data(), v8::NewStringType::kNormal, static_cast<int>(text.size()))
      .ToLocalChecked();
}

void ThrowMisuse(v8::Isolate* isolate, std::string_view message) {
  isolate->ThrowException(v8::Exception::TypeError(Text(isolate, message)));
}

void CheckMachineCall(const Arguments& arguments) {
  v8::Isolate* isolate = arguments.GetIsolate();
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  const BackendCheck check = CheckMachine();
  v8::Local<v8::Object> result = v8::Object::New(isolate);
  const auto can = [&](Backend backend) { return v8::Boolean::New(isolate, check.best >= backend); };
  result->Set(context, Text(isolate, "impersonation"), can(Backend::kImpersonation)).Check();
  result->Set(context, Text(isolate, "light"), can(Backend::kLight)).Check();
  result->Set(context, Text(isolate, "reason"), Text(isolate, check.reason)).Check();
  arguments.GetReturnValue().Set(result);
}

/**
 * Turns V8's collector of dead WebAssembly code off, for good and for the whole process: it ends the process when it meets
 * an isolate with a parked stack. Node's own fetch and type stripping are WebAssembly, so a collection may be under way
 * already; its part of it waits among this isolate's tasks. They are run here, before anything can be parked.
 */
void StopWasmCodeCollection(v8::Isolate* isolate, v8::Local<v8::Context> context) {
  v8::V8::SetFlagsFromString("--no-wasm-code-gc");
  node::MultiIsolatePlatform* platform = node::GetMultiIsolatePlatform(node::GetCurrentEnvironment(context));
  if (platform != nullptr) platform->DrainTasks(isolate);
}

// In the order of Backend.
constexpr std::array<std::string_view, 3> kBackendNames{"handoff", "impersonation", "impersonation-light"};

/** Opens and closes callback scopes; runs V8's waiting tasks. */
void Open(const Arguments& arguments) {
  Hub* hub = HubOf(arguments);
  v8::Isolate* isolate = hub->isolate();
  if (!arguments[0]->IsString() || !arguments[1]->IsUint32() || !arguments[2]->IsUint32() ||
      !arguments[3]->IsUint32()) {
    return ThrowMisuse(isolate, "open(backend, stackBytes, processStacks, ownStackBytes)");
  }
  v8::String::Utf8Value backend(isolate, arguments[0]);
  const auto named = std::find(kBackendNames.begin(), kBackendNames.end(), std::string_view(*backend));
  const auto wanted = named == kBackendNames.end() ? Backend::kHandoff : static_cast<Backend>(named - kBackendNames.begin());
  hub->backend = std::min(wanted, CheckMachine().best);
  hub->stack_bytes = arguments[1].As<v8::Uint32>()->Value();
  hub->process_stacks = arguments[2].As<v8::Uint32>()->Value();
  hub->own_stack_limit = OwnStackLimit(arguments[3].As<v8::Uint32>()->Value());
  StopWasmCodeCollection(isolate, isolate->GetCurrentContext());
  hub->GuardAsyncContext();
  hub->callback_depth = FindCallbackDepth(isolate, isolate->GetCurrentContext());
  hub->handle_level_of_call = FindHandleLevelOfCall(isolate, isolate->GetCurrentContext());
  arguments.GetReturnValue().Set(hub->callback_depth != nullptr);
}

void Create(const Arguments& arguments) {
  Hub* hub = HubOf(arguments);
  if (!arguments[0]->IsFunction() || hub->callback_depth == nullptr) {
    return ThrowMisuse(hub->isolate(), "create(body), after open()");
  }
  arguments.GetReturnValue().Set(hub->Add(arguments[0].As<v8::Function>()));
}

/** Switches stacks and runs JavaScript there. */
void Resume(const Arguments& arguments) {
  Hub* hub = HubOf(arguments);
  if (hub->closed) return;
  const int index = arguments[0]->IsInt32() ? arguments[0].As<v8::Int32>()->Value() : -1;
  ScriptStack* stack = hub->At(index);
  if (stack == nullptr || stack->state() == ScriptStack::State::kRunning) {
    return ThrowMisuse(hub->isolate(), "resume(index) of a stack that is not parked");
  }
  const ScriptStack::Outcome outcome = stack->Resume();
  switch (outcome) {
    case ScriptStack::Outcome::kParked:
      return;
    case ScriptStack::Outcome::kPreempted:
      return arguments.GetReturnValue().Set(Text(hub->isolate(), "preempted"));
    case ScriptStack::Outcome::kOverLimit:
      hub->Remove(index);
      return arguments.GetReturnValue().Set(Text(hub->isolate(), "overLimit"));
    case ScriptStack::Outcome::kKilled:
      hub->Remove(index);
      return arguments.GetReturnValue().Set(Text(hub->isolate(), "killed"));
    case ScriptStack::Outcome::kEnded:
      hub->Remove(index);
      return arguments.GetReturnValue().Set(true);
  }
}

void EndWhenInterrupted(const Arguments& arguments) {
  const int index = arguments[0]->IsInt32() ? arguments[0].As<v8::Int32>()->Value() : -1;
  ScriptStack* const stack = HubOf(arguments)->At(index);
  if (stack == nullptr) return ThrowMisuse(arguments.GetIsolate(), "endWhenInterrupted(index, ends) of a stack that is there");
  stack->EndWhenInterrupted(arguments[1]->IsTrue());
}

/** Switches stacks. */
void Park(const Arguments& arguments) {
  Hub* hub = HubOf(arguments);
  if (hub->current == nullptr) return ThrowMisuse(hub->isolate(), "park() outside a greenlet");
  const auto keep = arguments[0]->IsTrue() ? ScriptStack::Keep::kAsyncContext : ScriptStack::Keep::kNothing;
  const auto pinned = arguments[1]->IsTrue() ? ScriptStack::Pinned::kPark : ScriptStack::Pinned::kRefuse;
  arguments.GetReturnValue().Set(hub->current->Park(keep, pinned));
}

const char* NameOf(NativeCaller caller) {
  switch (caller) {
    case NativeCaller::kNone: return "";
    case NativeCaller::kNode: return "node";
    case NativeCaller::kSqlite: return "sqlite";
    case NativeCaller::kAddon: return "addon";
    case NativeCaller::kOtherStack: return "otherStack";
  }
  return "";
}

void WhatPins(const Arguments& arguments) {
  v8::Isolate* isolate = arguments.GetIsolate();
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  const ScriptStack* const stack = HubOf(arguments)->current;
  if (stack == nullptr) return;
  const ScriptStack::Pin pin = stack->WhatPins();
  v8::Local<v8::Object> result = v8::Object::New(isolate);
  result->Set(context, Text(isolate, "microtask"), v8::Boolean::New(isolate, pin.microtask)).Check();
  result->Set(context, Text(isolate, "callbackScope"), v8::Boolean::New(isolate, pin.callback_scope)).Check();
  result->Set(context, Text(isolate, "native"), Text(isolate, NameOf(pin.native.caller))).Check();
  result->Set(context, Text(isolate, "file"), Text(isolate, pin.native.file)).Check();
  arguments.GetReturnValue().Set(result);
}

void MayBePinnedCall(const Arguments& arguments) {
  const ScriptStack* const stack = HubOf(arguments)->current;
  arguments.GetReturnValue().Set(stack != nullptr && stack->MayBePinned());
}

void LookAtFrames(const Arguments& arguments) { HubOf(arguments)->looks_at_frames = true; }

void HasNativeCallerCall(const Arguments& arguments) {
  const ScriptStack* const stack = HubOf(arguments)->current;
  arguments.GetReturnValue().Set(stack != nullptr && stack->HasNativeCaller());
}

void IsInCallbackScope(const Arguments& arguments) {
  const ScriptStack* const stack = HubOf(arguments)->current;
  arguments.GetReturnValue().Set(stack != nullptr && stack->IsInCallbackScope());
}

std::string TextOf(v8::Isolate* isolate, v8::Local<v8::Value> value) {
  v8::String::Utf8Value utf8(isolate, value);
  return *utf8 == nullptr ? std::string() : std::string(*utf8, static_cast<size_t>(utf8.length()));
}

/** The elements of an array; none of anything else. Getters in it may run. */
std::vector<v8::Local<v8::Value>> ElementsOf(v8::Local<v8::Context> context, v8::Local<v8::Value> value) {
  std::vector<v8::Local<v8::Value>> elements;
  if (!value->IsArray()) return elements;
  for (uint32_t index = 0; index < value.As<v8::Array>()->Length(); index++) {
    v8::Local<v8::Value> element;
    if (value.As<v8::Array>()->Get(context, index).ToLocal(&element)) elements.push_back(element);
  }
  return elements;
}

PreemptionRules RulesOf(v8::Local<v8::Context> context, v8::Local<v8::Value> own, v8::Local<v8::Value> guarded) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  PreemptionRules rules{TextOf(isolate, own), {}};
  for (v8::Local<v8::Value> part : ElementsOf(context, guarded)) rules.guarded.push_back(TextOf(isolate, part));
  return rules;
}

void Preempt(const Arguments& arguments) {
  Hub* hub = HubOf(arguments);
  if (!arguments[0]->IsUint32() || !arguments[1]->IsUint32()) {
    return ThrowMisuse(hub->isolate(), "preempt(sliceUs, limitMs, ownScripts, guarded)");
  }
  hub->rules = RulesOf(hub->isolate()->GetCurrentContext(), arguments[2], arguments[3]);
  hub->run_limit = std::chrono::milliseconds(arguments[1].As<v8::Uint32>()->Value());
  hub->ticker().SetSlice(Ticker::Microseconds(arguments[0].As<v8::Uint32>()->Value()));
}

void Profile(const Arguments& arguments) {
  Hub* hub = HubOf(arguments);
  if (!arguments[0]->IsUint32()) return ThrowMisuse(hub->isolate(), "profile(periodUs)");
  hub->ticker().SetSampling(Ticker::Microseconds(arguments[0].As<v8::Uint32>()->Value()));
}

void Counts(const Arguments& arguments) {
  v8::Isolate* isolate = arguments.GetIsolate();
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  const Hub::Counts& counts = HubOf(arguments)->counts;
  const auto set = [&](v8::Local<v8::Object> object, const char* name, v8::Local<v8::Value> value) {
    object->Set(context, Text(isolate, name), value).Check();
  };
  v8::Local<v8::Object> refusals = v8::Object::New(isolate);
  for (size_t refusal = 1; refusal < counts.refusals.size(); refusal++) {
    set(refusals, NameOf(static_cast<Refusal>(refusal)), v8::Integer::NewFromUnsigned(isolate, counts.refusals[refusal]));
  }
  v8::Local<v8::Object> result = v8::Object::New(isolate);
  set(result, "preemptions", v8::Integer::NewFromUnsigned(isolate, counts.preemptions));
  set(result, "overLimit", v8::Integer::NewFromUnsigned(isolate, counts.over_limit));
  set(result, "refusals", refusals);
  set(result, "knowsMatches", v8::Boolean::New(isolate, HubOf(arguments)->match_depth != 0));
  arguments.GetReturnValue().Set(result);
}

/** Starts a thread. */
void WatchLoop(const Arguments& arguments) {
  Hub* hub = HubOf(arguments);
  v8::Isolate* isolate = hub->isolate();
  constexpr size_t kBytes = LoopWatch::kNumbers * sizeof(int32_t);
  const auto is_number = [&](int index) { return arguments[index]->IsNumber(); };
  const bool has_beats = arguments[0]->IsSharedArrayBuffer() && arguments[0].As<v8::SharedArrayBuffer>()->ByteLength() >= kBytes;
  if (!has_beats || !is_number(1) || !is_number(2) || !is_number(3) || !is_number(4) || !arguments[6]->IsFunction()) {
    return ThrowMisuse(isolate, "watchLoop(beats, lookEveryMs, againAfter, nativeAfterMs, fd, nativeLine, tell)");
  }
  if (hub->closed || hub->loop_watch) return;
  const auto number = [&](int index) { return arguments[index].As<v8::Number>()->Value(); };
  LoopWatch::Settings settings{arguments[0].As<v8::SharedArrayBuffer>()->GetBackingStore(),
                               LoopWatch::Milliseconds(std::max(1.0, number(1))),
                               static_cast<int>(number(2)),
                               LoopWatch::Milliseconds(number(3)),
                               static_cast<int>(number(4)),
                               TextOf(isolate, arguments[5])};
  hub->loop_watch = std::make_unique<LoopWatch>(isolate, isolate->GetCurrentContext(), arguments[6].As<v8::Function>(),
                                                std::move(settings));
}

/** For the tests of the policy: `moment` is { frames: [script, function, isWasm][], nativeCaller, callbackScope, microtask, matchBegins }. */
void WhyNotPreemptCall(const Arguments& arguments) {
  v8::Isolate* isolate = arguments.GetIsolate();
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  if (!arguments[0]->IsObject()) return ThrowMisuse(isolate, "whyNotPreempt(moment, ownScripts, guarded)");
  const auto get = [&](const char* name) -> v8::Local<v8::Value> {
    v8::Local<v8::Value> value;
    if (!arguments[0].As<v8::Object>()->Get(context, Text(isolate, name)).ToLocal(&value)) return v8::Undefined(isolate);
    return value;
  };
  Moment moment;
  for (v8::Local<v8::Value> element : ElementsOf(context, get("frames"))) {
    const auto parts = ElementsOf(context, element);
    if (parts.size() != 3) return ThrowMisuse(isolate, "a frame is [script, function, isWasm]");
    moment.frames.push_back({TextOf(isolate, parts[0]), TextOf(isolate, parts[1]), parts[2]->IsTrue()});
  }
  moment.native_caller = get("nativeCaller")->IsTrue();
  moment.callback_scope = get("callbackScope")->IsTrue();
  moment.microtask = get("microtask")->IsTrue();
  moment.match_begins = get("matchBegins")->IsTrue();
  const Refusal refusal = WhyNotPreempt(moment, RulesOf(context, arguments[1], arguments[2]));
  arguments.GetReturnValue().Set(Text(isolate, NameOf(refusal)));
}

/** Collects all garbage. */
void ResumableCall(const Arguments& arguments) {
  Hub* hub = HubOf(arguments);
  v8::Isolate* isolate = hub->isolate();
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  if (!arguments[0]->IsArray() || !arguments[1]->IsArray() || hub->current != nullptr) {
    return ThrowMisuse(isolate, "resumable(stacks, wakers), outside every greenlet");
  }
  // First of all: a handle to a waker would count as a use of it.
  HeapWalk walk(isolate);
  const auto stacks = ElementsOf(context, arguments[0]);
  const auto wakers = ElementsOf(context, arguments[1]);
  std::vector<Parked> parked(std::min(stacks.size(), wakers.size()));
  for (size_t index = 0; index < parked.size(); index++) {
    const ScriptStack* stack = stacks[index]->IsInt32() ? hub->At(stacks[index].As<v8::Int32>()->Value()) : nullptr;
    if (stack != nullptr) parked[index].words = stack->ParkedWords();
    for (v8::Local<v8::Value> waker : ElementsOf(context, wakers[index])) {
      if (waker->IsObject()) parked[index].wakers.push_back(waker.As<v8::Object>());
    }
  }
  std::vector<v8::Local<v8::Value>> results;
  for (const bool can : walk.FindResumable(parked)) results.push_back(v8::Boolean::New(isolate, can));
  arguments.GetReturnValue().Set(v8::Array::New(isolate, results.data(), results.size()));
}

/**
 * Node exports these two, without declaring them in a header, from version 22 on at least. A Node that lacks them can
 * still run greenlets; the TypeScript layer then refuses to park inside an async scope.
 */
v8::FunctionCallback NodeCallback(const char* symbol) {
  return reinterpret_cast<v8::FunctionCallback>(dlsym(RTLD_DEFAULT, symbol));
}
constexpr char kPushAsyncScope[] = "_ZN4node9AsyncWrap16PushAsyncContextERKN2v820FunctionCallbackInfoINS1_5ValueEEE";
constexpr char kPopAsyncScope[] = "_ZN4node9AsyncWrap15PopAsyncContextERKN2v820FunctionCallbackInfoINS1_5ValueEEE";

/**
 * Keeps this library loaded until the process ends. Node unloads an addon with the last environment that uses it, which
 * is before that environment's isolate is gone and `FreeAfterIsolate` has been called back.
 */
void StayLoaded() {
  Dl_info library;
  if (dladdr(reinterpret_cast<void*>(&StayLoaded), &library) != 0) {
    dlopen(library.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

/**
 * Frees the hub once its isolate is gone: until then the garbage collector walks the parked stacks. Where the isolate is
 * the process's own this may never be called, and the process's end frees everything.
 */
void FreeAfterIsolate(v8::Isolate* isolate, v8::Local<v8::Context> context, std::unique_ptr<Hub> hub) {
  struct Ending {
    std::unique_ptr<Hub> hub;
    node::MultiIsolatePlatform* platform;
  };
  auto ending = std::make_unique<Ending>();
  ending->hub = std::move(hub);
  ending->platform = node::GetMultiIsolatePlatform(node::GetCurrentEnvironment(context));
  const auto close = [](void* data) {
    auto* ending = static_cast<Ending*>(data);
    v8::Isolate* isolate = ending->hub->isolate();
    ending->hub->Close();
    const auto free = [](void* data) { std::unique_ptr<Ending>(static_cast<Ending*>(data)).reset(); };
    if (ending->platform != nullptr) ending->platform->AddIsolateFinishedCallback(isolate, free, ending);
  };
  node::AddEnvironmentCleanupHook(isolate, close, ending.release());
}

}  // namespace

NODE_MODULE_INIT(/* exports, module, context */) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  auto hub = std::make_unique<Hub>(isolate);
  v8::Local<v8::External> data = NewExternal(isolate, hub.get());
  const auto add = [&](const char* name, v8::FunctionCallback callback) {
    v8::Local<v8::Function> function;
    if (callback == nullptr) return function;
    function = v8::Function::New(context, callback, data).ToLocalChecked();
    exports->Set(context, Text(isolate, name), function).Check();
    return function;
  };
  add("checkMachine", CheckMachineCall);
  add("open", Open);
  add("create", Create);
  add("resume", Resume);
  add("endWhenInterrupted", EndWhenInterrupted);
  add("park", Park);
  add("mayBePinned", MayBePinnedCall);
  add("whatPins", WhatPins);
  add("lookAtFrames", LookAtFrames);
  add("hasNativeCaller", HasNativeCallerCall);
  add("isInCallbackScope", IsInCallbackScope);
  add("preempt", Preempt);
  add("profile", Profile);
  add("watchLoop", WatchLoop);
  add("counts", Counts);
  add("whyNotPreempt", WhyNotPreemptCall);
  add("resumable", ResumableCall);
  v8::Local<v8::Function> push = add("pushAsyncScope", NodeCallback(kPushAsyncScope));
  v8::Local<v8::Function> pop = add("popAsyncScope", NodeCallback(kPopAsyncScope));
  hub->async_scopes = std::make_unique<AsyncScopes>(isolate, push, pop);
  StayLoaded();
  FreeAfterIsolate(isolate, context, std::move(hub));
}

}  // namespace switchyard
