// The async scopes that a greenlet is inside of when it is parked by force. (src/async-scopes.ts does the same for a
// greenlet that waits, in JavaScript, where it costs nothing to look.)

#ifndef SWITCHYARD_GREENLET_ASYNC_SCOPES_H_
#define SWITCHYARD_GREENLET_ASYNC_SCOPES_H_

#include <v8.h>

#include <vector>

namespace switchyard {

struct AsyncScope {
  double async_id;
  double trigger_id;
};

/** Node's two functions that open and close a scope. Empty where this Node exports none. */
class AsyncScopes {
 public:
  /** `push` and `pop` may be empty. */
  AsyncScopes(v8::Isolate* isolate, v8::Local<v8::Function> push, v8::Local<v8::Function> pop);

  /** Takes off every scope above that of `own_id`, innermost first. Calls into Node, and runs no script. */
  std::vector<AsyncScope> Leave(double own_id) const;
  /** Puts back what `Leave` took off. */
  void Return(const std::vector<AsyncScope>& left) const;
  bool CanLeave() const { return !pop_.IsEmpty() && !push_.IsEmpty(); }
  double CurrentId() const;
  void ReleaseHandles();

 private:
  bool Call(const v8::Global<v8::Function>& function, const AsyncScope& scope) const;

  v8::Isolate* const isolate_;
  v8::Global<v8::Function> push_;
  v8::Global<v8::Function> pop_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_ASYNC_SCOPES_H_
