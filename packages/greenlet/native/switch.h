// The few instructions that C++ can't express, one file for each processor (switch_x86_64.S, switch_aarch64.S).

#ifndef SWITCHYARD_GREENLET_SWITCH_H_
#define SWITCHYARD_GREENLET_SWITCH_H_

#include <cstddef>
#include <cstdint>

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#define SWITCHYARD_CAN_IMPERSONATE 1

extern "C" {

/** Where a stack stands while nobody runs on it. The assembly knows this layout. */
struct SwitchyardContext {
  void* stack_pointer;
  void* thread_pointer;
};

/** Saves the callee-saved registers on this stack, moves to the other stack and thread pointer, restores there. */
void switchyard_switch(SwitchyardContext* from, const SwitchyardContext* to);

/** First code on a new stack: calls the function in one saved register with the argument in another. Never returns. */
void switchyard_start();

void* switchyard_thread_pointer();

/**
 * Sets `*ready` and wakes its waiter, then sleeps until `*released` is not 0. Touches no thread-local storage, not even
 * errno: from the moment `*ready` is set, this thread's storage belongs to the thread that runs JavaScript.
 */
void switchyard_lend(int* ready, const int* released);

/**
 * Ends the calling thread for the kernel alone: nothing of the C library's or of C++ is torn down. `*lives` is set to 0 and
 * its waiter woken once the thread has left its stack for good. Never returns.
 */
[[noreturn]] void switchyard_end_thread(int* lives);
}

namespace switchyard {

// The frame that switchyard_switch pops, lowest address first.
#if defined(__x86_64__)
constexpr size_t kFrameWords = 7, kFunctionSlot = 3, kArgumentSlot = 4, kReturnSlot = 6;
#else
constexpr size_t kFrameWords = 20, kFunctionSlot = 0, kArgumentSlot = 1, kReturnSlot = 11;
#endif

}  // namespace switchyard

#endif
#endif  // SWITCHYARD_GREENLET_SWITCH_H_
