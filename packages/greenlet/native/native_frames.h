// Whether native code on a greenlet's stack has called JavaScript and waits for it to return.

#ifndef SWITCHYARD_GREENLET_NATIVE_FRAMES_H_
#define SWITCHYARD_GREENLET_NATIVE_FRAMES_H_

#include <cstdint>
#include <string>

namespace switchyard {

/**
 * Whether a native function on the stack has called back: it may hold a lock, or a handle scope that must be closed in
 * order. Looks from the caller's frame outwards up to `first_frame`, which made the call that began the greenlet, and
 * reads the stack and nothing else.
 */
bool HasNativeCaller(uintptr_t first_frame);

/** What native code waits on a greenlet's stack for JavaScript to return. */
enum class NativeCaller {
  kNone,
  /** A function of Node's that holds nothing meanwhile. */
  kNode,
  /** Node's SQLite, with the database's mutex held. */
  kSqlite,
  /** A library that Node has loaded: an addon, with its handle scopes open and perhaps with locks held. */
  kAddon,
  /** WebAssembly on a stack of its own (JSPI), which V8 keeps one chain of for the whole isolate. */
  kOtherStack,
};

struct NativeCallerFound {
  NativeCaller caller = NativeCaller::kNone;
  /** The library's file, where it is an addon. */
  std::string file;
};

/** As HasNativeCaller, telling which. Meant for where there is reason to suspect one: takes microseconds. */
NativeCallerFound FindNativeCaller(uintptr_t first_frame);

/**
 * In an interrupt: how far compiled code of a regular expression is below its frame, in bytes; 0 when something else was
 * interrupted. It is least at the beginning of a match, before the expression's registers have their room.
 */
uintptr_t DepthInRegularExpression(uintptr_t first_frame);

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_NATIVE_FRAMES_H_
