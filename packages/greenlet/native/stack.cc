// The stack, drawn once, and the choice of backend.
//
//   high addresses   thread-local storage and the C library's thread descriptor (the identity)
//                    frames of the thread that lent the stack, asleep in the kernel until the stack is freed
//                    kLenderBytes                   so that what they hold is never overwritten
//                    RunOnStack, V8's entry frame, the greenlet's own frames, growing down
//   script_limit     kNativeBytes                   V8 throws a RangeError above it; native code may go on below
//   low addresses    guard page                     a fault here is a native overflow; nothing is overwritten
//
// With the handoff backend the lender is not asleep: it runs the greenlet itself, and the other thread waits. With the light
// one it has ended, and what it had on the stack is written over.

#include "stack.h"

#if defined(__linux__)
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace switchyard {

namespace {

// Measured: V8's regular expression, JSON and crypto code of Node 24 and 26 stays within it after a limit hit at full depth.
constexpr size_t kNativeBytes = 64 * 1024;

#if defined(__linux__)
/** Whether the kernel keeps a shadow stack for this thread, which a switch of the stack pointer alone would contradict. */
bool HasShadowStack() {
#if defined(__x86_64__)
  constexpr int kShadowStackStatus = 0x5005;  // ARCH_SHSTK_STATUS, Linux 6.6
  unsigned long features = 0;
  return syscall(SYS_arch_prctl, kShadowStackStatus, &features) == 0 && (features & 1) != 0;
#else
  constexpr int kShadowStackStatus = 74;  // PR_GET_SHADOW_STACK_STATUS, Linux 6.13
  unsigned long features = 0;
  return prctl(kShadowStackStatus, &features, 0, 0, 0) == 0 && (features & 1) != 0;
#endif
}
#endif

}  // namespace

void Stack::SetTop(uintptr_t top, size_t bytes) { script_limit_ = top - bytes + kNativeBytes; }

BackendCheck CheckMachine() {
#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
  if (HasShadowStack()) {
    return {Backend::kHandoff, "the kernel keeps a shadow stack for this process, which only real threads can follow"};
  }
#if defined(__x86_64__)
  constexpr unsigned long kFsGsBase = 1UL << 1;  // HWCAP2_FSGSBASE, Linux 5.9
  if ((getauxval(AT_HWCAP2) & kFsGsBase) == 0) {
    return {Backend::kHandoff, "the kernel or the processor does not let a program set its thread pointer (no FSGSBASE)"};
  }
  const std::string machine = "Linux on x86-64 with FSGSBASE";
#else
  const std::string machine = "Linux on arm64";
#endif
  const std::string obstacle = WhyNotLight();
  if (!obstacle.empty()) return {Backend::kImpersonation, machine + "; " + obstacle};
  return {Backend::kLight, machine + ", guard pages inside memory maps, and the GNU C library"};
#else
  return {Backend::kHandoff, "switching stacks within a thread is written for Linux on x86-64 and arm64"};
#endif
}

std::unique_ptr<Stack> NewStack(Backend backend, size_t bytes, StackBody* body, StackHost* host) {
  switch (backend) {
    case Backend::kLight:
      return NewLightStack(bytes, body, host);
    case Backend::kImpersonation:
      return NewImpersonationStack(bytes, body);
    case Backend::kHandoff:
      return NewHandoffStack(bytes, body);
  }
  return nullptr;
}

}  // namespace switchyard
