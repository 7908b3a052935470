// Impersonation: the thread that runs JavaScript borrows the stack and the thread pointer of a thread that sleeps.
//
// V8 and the C library then take it for that other thread, so V8's Locker archives and restores its state as it would
// between real threads, while the kernel switches nothing. A round trip costs a few hundred nanoseconds instead of two
// wake-ups. Never touches V8; `script_stack.cc` holds the isolate's lock around each switch.

#include "borrowed_stack.h"

#if defined(SWITCHYARD_CAN_IMPERSONATE)

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

namespace switchyard {

namespace {

// The lender's own frames lie above: a signal mask and two calls. Two pages are many times that.
constexpr size_t kLenderBytes = 8 * 1024;
// The identity lies in the same mapping as the stack: the descriptor, and the thread-local storage of every loaded library.
constexpr size_t kIdentityBytes = 16 * 1024;

class ImpersonationStack final : public BorrowedStack {
 public:
  ImpersonationStack(size_t bytes, StackBody* body) : BorrowedStack(body), bytes_(bytes) {}

  /** Starts the lender and waits until it has lent everything. False when the machine gives no thread. */
  bool Start() {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, bytes_ + kLenderBytes + kIdentityBytes);
    pthread_attr_setguardsize(&attributes, static_cast<size_t>(sysconf(_SC_PAGESIZE)));
    started_ = pthread_create(&lender_, &attributes, &ImpersonationStack::Lend, this) == 0;
    pthread_attr_destroy(&attributes);
    if (!started_) return false;
    while (ready_.load(std::memory_order_acquire) == 0) Futex(&ready_, FUTEX_WAIT_PRIVATE, 0);
    return true;
  }

  ~ImpersonationStack() override {
    if (!started_) return;
    released_.store(1, std::memory_order_release);
    Futex(&released_, FUTEX_WAKE_PRIVATE, 1);
    pthread_join(lender_, nullptr);
  }

 private:
  static_assert(sizeof(std::atomic<int>) == sizeof(int));

  static void Futex(std::atomic<int>* word, int operation, int value) {
    syscall(SYS_futex, word, operation, value, nullptr, nullptr, 0);
  }

  /** On the lender: prepares the first frame below its own, then sleeps until the stack is freed. */
  static void* Lend(void* argument) {
    auto* self = static_cast<ImpersonationStack*>(argument);
    // A signal handler here would run on a stack that somebody else is using.
    sigset_t every_signal;
    sigfillset(&every_signal);
    pthread_sigmask(SIG_SETMASK, &every_signal, nullptr);
    const uintptr_t top = reinterpret_cast<uintptr_t>(&every_signal) - kLenderBytes;
    self->PrepareFirstFrame(top, self->bytes_, switchyard_thread_pointer());
    switchyard_lend(reinterpret_cast<int*>(&self->ready_), reinterpret_cast<int*>(&self->released_));
    return nullptr;
  }

  const size_t bytes_;
  pthread_t lender_{};
  bool started_ = false;
  std::atomic<int> ready_{0};
  std::atomic<int> released_{0};
};

}  // namespace

std::unique_ptr<Stack> NewImpersonationStack(size_t bytes, StackBody* body) {
  auto stack = std::make_unique<ImpersonationStack>(bytes, body);
  if (!stack->Start()) return nullptr;
  return stack;
}

}  // namespace switchyard

#else

namespace switchyard {

std::unique_ptr<Stack> NewImpersonationStack(size_t, StackBody*) { return nullptr; }

}  // namespace switchyard

#endif
