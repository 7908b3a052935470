// What JavaScript sees of the addon: create a stack, resume it, park the current one. The TypeScript layer builds
// greenlets from these and is their only caller; arguments are checked all the same, so that no value from JavaScript can
// crash the process.
//
//   checkMachine()            -> { impersonation: boolean, reason: string }
//   open(backend, stackBytes, processStacks, ownStackBytes) -> boolean; false: Node's callback-scope count was not found, and nothing
//                                may be parked; at most `processStacks` stacks will live in the process at once
//   create(body)              -> index of a new stack; -1: that many live, or the machine gives no more threads or memory
//   resume(index)             -> true when the stack has ended and is freed
//   park(keepAsyncContext)    -> false when refused (script_stack.h)
//   pushAsyncScope(asyncId, triggerId), popAsyncScope(asyncId): Node's own; absent when this Node does not export them

#include <dlfcn.h>
#include <node.h>

#include <memory>
#include <string_view>

#include "callback_depth.h"
#include "hub.h"
#include "own_stack.h"
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
  result->Set(context, Text(isolate, "impersonation"), v8::Boolean::New(isolate, check.can_impersonate)).Check();
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

/** Opens and closes callback scopes; runs V8's waiting tasks. */
void Open(const Arguments& arguments) {
  Hub* hub = HubOf(arguments);
  v8::Isolate* isolate = hub->isolate();
  if (!arguments[0]->IsString() || !arguments[1]->IsUint32() || !arguments[2]->IsUint32() ||
      !arguments[3]->IsUint32()) {
    return ThrowMisuse(isolate, "open(backend, stackBytes, processStacks, ownStackBytes)");
  }
  v8::String::Utf8Value backend(isolate, arguments[0]);
  const bool impersonate = std::string_view(*backend) == "impersonation" && CheckMachine().can_impersonate;
  hub->backend = impersonate ? Backend::kImpersonation : Backend::kHandoff;
  hub->stack_bytes = arguments[1].As<v8::Uint32>()->Value();
  hub->process_stacks = arguments[2].As<v8::Uint32>()->Value();
  hub->own_stack_limit = OwnStackLimit(arguments[3].As<v8::Uint32>()->Value());
  StopWasmCodeCollection(isolate, isolate->GetCurrentContext());
  hub->callback_depth = FindCallbackDepth(isolate, isolate->GetCurrentContext());
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
  stack->Resume();
  if (stack->state() != ScriptStack::State::kEnded) return;
  hub->Remove(index);
  arguments.GetReturnValue().Set(true);
}

/** Switches stacks. */
void Park(const Arguments& arguments) {
  Hub* hub = HubOf(arguments);
  if (hub->current == nullptr) return ThrowMisuse(hub->isolate(), "park() outside a greenlet");
  const auto keep = arguments[0]->IsTrue() ? ScriptStack::Keep::kAsyncContext : ScriptStack::Keep::kNothing;
  arguments.GetReturnValue().Set(hub->current->Park(keep));
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
    if (callback == nullptr) return;
    v8::Local<v8::Function> function = v8::Function::New(context, callback, data).ToLocalChecked();
    exports->Set(context, Text(isolate, name), function).Check();
  };
  add("checkMachine", CheckMachineCall);
  add("open", Open);
  add("create", Create);
  add("resume", Resume);
  add("park", Park);
  add("pushAsyncScope", NodeCallback(kPushAsyncScope));
  add("popAsyncScope", NodeCallback(kPopAsyncScope));
  StayLoaded();
  FreeAfterIsolate(isolate, context, std::move(hub));
}

}  // namespace switchyard
