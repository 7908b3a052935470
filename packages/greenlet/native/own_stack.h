// Where the stack ends on which the isolate runs outside greenlets.

#ifndef SWITCHYARD_GREENLET_OWN_STACK_H_
#define SWITCHYARD_GREENLET_OWN_STACK_H_

#include <cstddef>
#include <cstdint>

namespace switchyard {

/** The address below which JavaScript must not go on the calling thread's stack, of which it may use `bytes`. */
uintptr_t OwnStackLimit(size_t bytes);

}  // namespace switchyard

#endif  // SWITCHYARD_GREENLET_OWN_STACK_H_
