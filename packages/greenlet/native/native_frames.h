// Whether native code on a greenlet's stack has called JavaScript and waits for it to return.

#ifndef SWITCHYARD_GREENLET_NATIVE_FRAMES_H_
#define SWITCHYARD_GREENLET_NATIVE_FRAMES_H_

#include <cstdint>

namespace switchyard {

/**
 * Whether a native function on the stack has called back: it may hold a lock, or a handle scope that must be closed in
 * order. Looks from the caller's frame outwards up to `first_frame`, which made the call that began the greenlet, and
 * reads the stack and nothing else.
 */
bool HasNativeCaller(uintptr_t first_frame);

/**
 * In an interrupt: how far compiled code of a regular expression is below its frame, in bytes; 0 when something else was
 * interrupted. It is least at the beginning of a match, before the expression's registers have their room.
 */
uintptr_t DepthInRegularExpression(uintptr_t first_frame);

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_NATIVE_FRAMES_H_
