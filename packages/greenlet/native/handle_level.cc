#include "handle_level.h"

namespace switchyard {

namespace {

void Record(const v8::FunctionCallbackInfo<v8::Value>& arguments) {
  arguments.GetReturnValue().Set(HandleLevel(arguments.GetIsolate()));
}

/** Whether opening and closing scopes moves what is read. */
bool Follows(v8::Isolate* isolate) {
  const int before = HandleLevel(isolate);
  bool follows;
  {
    v8::HandleScope outer(isolate);
    const int one = HandleLevel(isolate);
    v8::HandleScope inner(isolate);
    follows = one == before + 1 && HandleLevel(isolate) == before + 2;
  }
  return follows && before >= 0 && HandleLevel(isolate) == before;
}

}  // namespace

int FindHandleLevelOfCall(v8::Isolate* isolate, v8::Local<v8::Context> context) {
  if (!Follows(isolate)) return kNoHandleLevel;
  v8::HandleScope handles(isolate);
  v8::TryCatch ignored(isolate);
  v8::Local<v8::Function> record;
  v8::Local<v8::Script> script;
  v8::Local<v8::Value> caller, level;
  // Called by JavaScript and not from here, because V8 opens a scope more for a native function that native code calls.
  v8::Local<v8::String> source = v8::String::NewFromUtf8Literal(isolate, "(record) => record()");
  if (!v8::Function::New(context, Record).ToLocal(&record)) return kNoHandleLevel;
  if (!v8::Script::Compile(context, source).ToLocal(&script) || !script->Run(context).ToLocal(&caller)) return kNoHandleLevel;
  v8::Local<v8::Value> argument = record;
  const int here = HandleLevel(isolate);
  if (!caller.As<v8::Function>()->Call(context, v8::Undefined(isolate), 1, &argument).ToLocal(&level)) return kNoHandleLevel;
  return level.As<v8::Int32>()->Value() - here;
}

}  // namespace switchyard
