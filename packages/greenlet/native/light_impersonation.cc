// Light impersonation: as impersonation, and the thread that lends has ended. What it lends stays behind in memory.
//
// A stack then costs the kernel nothing: no thread, no process id, and no memory map of its own, because stacks are cut
// from large maps and the guard page of each is a mark inside the map. A hundred thousand fit into a process.
//
//   Make     many threads at once, each on a stack of ours: V8 is told of it while it lives (StackHost::Introduce), its
//            descriptor is given an id that no thread has, and it leaves the kernel without the C library's noticing
//   Take     an identity for a new stack, last used first; makes more where there is none
//   Give     takes it back when the stack ends, and gives the stack's memory to the kernel
//
// The C library goes on listing these threads, so an identity is never freed: it is used again, by any isolate. It keeps
// its descriptor and thread-local storage, two pages. What the C library does to each thread that it lists does them no
// harm: it signals ids that nobody has, and sets up the storage of libraries that are loaded later.

#include "borrowed_stack.h"

#if defined(SWITCHYARD_CAN_IMPERSONATE) && defined(__GLIBC__)
#define SWITCHYARD_CAN_IMPERSONATE_LIGHTLY 1
#endif

#if defined(SWITCHYARD_CAN_IMPERSONATE_LIGHTLY)

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <mutex>
#include <vector>

#include "no_signals.h"

namespace switchyard {

namespace {

constexpr int kInstallGuard = 102;  // MADV_GUARD_INSTALL, Linux 6.13
constexpr size_t kPage = 4096;
// Address space for the descriptor and the thread-local storage of every loaded library; only what is used is ever touched.
constexpr size_t kIdentityBytes = 32 * 1024;
constexpr size_t kSlabStacks = 64;
// Threads that are started at once, so that they run while the next are started: it takes a fifth of the time.
constexpr size_t kMostAtOnce = 32;

/** Ids above all that the kernel gives (PID_MAX_LIMIT, 2^22) and within what a mutex has room for (30 bits). */
int NextId() {
  static std::atomic<int> next{(1 << 22) + 1};
  return next++;
}

/** Where the C library keeps the calling thread's id: the word that it had the kernel clear at the thread's end. */
int* WordOfThreadId() {
  int* word = nullptr;
  return prctl(PR_GET_TID_ADDRESS, &word, 0, 0, 0) == 0 ? word : nullptr;
}

/** What a thread has lent and left behind. Its memory is never unmapped. */
class Identity {
 public:
  /** Of a thread that will use the `bytes` at `memory`. */
  Identity(char* memory, size_t bytes) : memory_(memory), bytes_(bytes) {}
  Identity(const Identity&) = delete;

  /** Starts the thread. False when the machine gives none. */
  bool Start(StackHost* host) {
    host_ = host;
    if (madvise(memory_, kPage, kInstallGuard) != 0) return false;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, memory_, bytes_);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    const bool started = pthread_create(&thread, &attributes, &Identity::Lend, this) == 0;
    pthread_attr_destroy(&attributes);
    return started;
  }

  /** Returns once the kernel has left the thread's stack for good. */
  void AwaitEnd() {
    while (lives_.load(std::memory_order_acquire) != 0) syscall(SYS_futex, &lives_, FUTEX_WAIT, 1, nullptr, nullptr, 0);
  }

  /** Gives the stack's memory back to the kernel; the guard stays. */
  void ForgetStack() {
    char* const lowest = memory_ + kPage;
    madvise(lowest, stack_bytes() / kPage * kPage, MADV_DONTNEED);
  }

  /** Of everything: guard, stack and what the C library keeps. */
  size_t bytes() const { return bytes_; }
  size_t stack_bytes() const { return top_ - reinterpret_cast<uintptr_t>(memory_) - kPage; }
  uintptr_t top() const { return top_; }
  void* thread_pointer() const { return thread_pointer_; }

 private:
  static_assert(sizeof(std::atomic<int>) == sizeof(int));

  /** On the thread: prepares what it leaves, and ends it. */
  static void* Lend(void* argument) {
    auto* self = static_cast<Identity*>(argument);
    self->host_->Introduce();
    // The C library asks the kernel once and remembers; it could not ask again. (V8's mutexes want to know.)
    int policy;
    sched_param parameters;
    pthread_getschedparam(pthread_self(), &policy, &parameters);
    // Mutexes know their owner by this id, and the kernel will give the thread's own to another one.
    *WordOfThreadId() = NextId();
    self->top_ = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
    self->thread_pointer_ = switchyard_thread_pointer();
    switchyard_end_thread(reinterpret_cast<int*>(&self->lives_));
  }

  char* const memory_;
  const size_t bytes_;
  StackHost* host_ = nullptr;
  uintptr_t top_ = 0;
  void* thread_pointer_ = nullptr;
  /** Cleared by the kernel, which then wakes who waits on it. */
  std::atomic<int> lives_{1};
};

/** All identities of the process that no stack uses. */
class IdentityPool {
 public:
  /** Null when the machine gives no more threads or memory. May let other threads use the isolate meanwhile. */
  std::unique_ptr<Identity> Take(size_t bytes, StackHost* host) {
    const std::lock_guard lock(mutex_);
    if (bytes != bytes_) {
      // The package asks for one size only. Those of another size can't be freed, and are kept.
      bytes_ = bytes;
      slab_left_ = 0;
      std::move(idle_.begin(), idle_.end(), std::back_inserter(of_other_sizes_));
      idle_.clear();
    }
    if (idle_.empty()) host->LetOthersIn([&] { Make(std::clamp<size_t>(made_ / 4, 1, kMostAtOnce), host); });
    if (idle_.empty()) return nullptr;
    auto identity = std::move(idle_.back());
    idle_.pop_back();
    return identity;
  }

  void Give(std::unique_ptr<Identity> identity) {
    const std::lock_guard lock(mutex_);
    auto& list = identity->bytes() == bytes_ ? idle_ : of_other_sizes_;
    list.push_back(std::move(identity));
  }

 private:
  /** Makes as many as the machine gives, `count` at most. */
  void Make(size_t count, StackHost* host) {
    const size_t first = idle_.size();
    {
      const NoSignals no_signals;
      for (size_t each = 0; each < count; each++) {
        if (slab_left_ < bytes_ && !MapSlab()) break;
        auto identity = std::make_unique<Identity>(slab_, bytes_);
        if (!identity->Start(host)) break;
        slab_ += bytes_;
        slab_left_ -= bytes_;
        made_++;
        idle_.push_back(std::move(identity));
      }
    }
    for (size_t each = first; each < idle_.size(); each++) idle_[each]->AwaitEnd();
  }

  bool MapSlab() {
    const size_t length = bytes_ * kSlabStacks;
    void* const slab = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (slab == MAP_FAILED) return false;
    // A huge page would make each stack take two megabytes.
    madvise(slab, length, MADV_NOHUGEPAGE);
    slab_ = static_cast<char*>(slab);
    slab_left_ = length;
    return true;
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Identity>> idle_;
  std::vector<std::unique_ptr<Identity>> of_other_sizes_;
  size_t bytes_ = 0;
  size_t made_ = 0;
  /** What is left of the newest map. */
  char* slab_ = nullptr;
  size_t slab_left_ = 0;
};

/** Never destroyed: workers may give identities back while the process's own thread is at its end. */
IdentityPool& Identities() {
  static IdentityPool* const pool = std::make_unique<IdentityPool>().release();
  return *pool;
}

class LightStack final : public BorrowedStack {
 public:
  LightStack(size_t bytes, StackBody* body, std::unique_ptr<Identity> identity)
      : BorrowedStack(body), identity_(std::move(identity)) {
    PrepareFirstFrame(identity_->top(), std::min(bytes, identity_->stack_bytes()), identity_->thread_pointer());
  }

  ~LightStack() override {
    identity_->ForgetStack();
    Identities().Give(std::move(identity_));
  }

 private:
  std::unique_ptr<Identity> identity_;
};

}  // namespace

std::string WhyNotLight() {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (page != kPage) return "light stacks are written for pages of 4 kB";
  const int* const word = WordOfThreadId();
  const auto distance = reinterpret_cast<uintptr_t>(word) - reinterpret_cast<uintptr_t>(pthread_self());
  constexpr uintptr_t kDescriptorBytes = 4096;
  if (word == nullptr || distance >= kDescriptorBytes || *word != static_cast<int>(syscall(SYS_gettid))) {
    return "the C library does not keep a thread's id where the kernel says";
  }
  void* const map = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) return "there is no memory for a trial";
  const bool has_guards = madvise(map, kPage, kInstallGuard) == 0;
  munmap(map, kPage);
  return has_guards ? "" : "the kernel has no guard pages inside a memory map (Linux 6.13)";
}

std::unique_ptr<Stack> NewLightStack(size_t bytes, StackBody* body, StackHost* host) {
  const size_t whole = (bytes + kIdentityBytes + 2 * kPage - 1) / kPage * kPage;
  auto identity = Identities().Take(whole, host);
  if (identity == nullptr) return nullptr;
  return std::make_unique<LightStack>(bytes, body, std::move(identity));
}

}  // namespace switchyard

#else

namespace switchyard {

std::string WhyNotLight() { return "light stacks are written for the GNU C library on Linux"; }
std::unique_ptr<Stack> NewLightStack(size_t, StackBody*, StackHost*) { return nullptr; }

}  // namespace switchyard

#endif
