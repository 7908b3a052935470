// Handoff: each stack is a real thread, and exactly one of the threads runs at a time.
//
// The portable backend: nothing here is known to V8, the processor or the system but threads and semaphores, which libuv
// brings. A round trip costs two wake-ups by the kernel, about ten microseconds on one core and more across cores.

#include <uv.h>

#include <csetjmp>

#include "stack.h"

namespace switchyard {

namespace {

class HandoffStack final : public Stack {
 public:
  HandoffStack(size_t bytes, StackBody* body) : bytes_(bytes), body_(body) {
    uv_sem_init(&enter_, 0);
    uv_sem_init(&leave_, 0);
  }
  HandoffStack(const HandoffStack&) = delete;

  /** False when the machine gives no thread. */
  bool Start() {
    constexpr size_t kIdentityBytes = 16 * 1024;
    uv_thread_options_t options{};
    options.flags = UV_THREAD_HAS_STACK_SIZE;
    options.stack_size = bytes_ + kIdentityBytes;
    started_ = uv_thread_create_ex(&thread_, &options, &HandoffStack::Run, this) == 0;
    return started_;
  }

  ~HandoffStack() override {
    if (started_) {
      abandoned_ = true;
      uv_sem_post(&enter_);
      uv_thread_join(&thread_);
    }
    uv_sem_destroy(&enter_);
    uv_sem_destroy(&leave_);
  }

  /** Lets the other thread run and blocks this one. */
  void Enter() override {
    uv_sem_post(&enter_);
    uv_sem_wait(&leave_);
  }

  /** Lets the other thread run and blocks this one; never returns when the stack has been freed meanwhile. */
  void Leave() override {
    uv_sem_post(&leave_);
    uv_sem_wait(&enter_);
    // The frames above are JavaScript's, of an isolate that is gone: no unwinder can walk them and no destructor there
    // may run, so the thread goes straight back to its first frame and ends.
    if (abandoned_) std::longjmp(first_frame_, 1);
  }

 private:
  static void Run(void* argument) {
    auto* self = static_cast<HandoffStack*>(argument);
    uv_sem_wait(&self->enter_);
    if (self->abandoned_) return;
    if (setjmp(self->first_frame_) != 0) return;
    self->SetTop(reinterpret_cast<uintptr_t>(&argument), self->bytes_);
    self->body_->RunOnStack();
    uv_sem_post(&self->leave_);
  }

  const size_t bytes_;
  StackBody* const body_;
  uv_thread_t thread_{};
  uv_sem_t enter_{};
  uv_sem_t leave_{};
  std::jmp_buf first_frame_{};
  bool started_ = false;
  // Written before a post and read after the matching wait.
  bool abandoned_ = false;
};

}  // namespace

std::unique_ptr<Stack> NewHandoffStack(size_t bytes, StackBody* body) {
  auto stack = std::make_unique<HandoffStack>(bytes, body);
  if (!stack->Start()) return nullptr;
  return stack;
}

}  // namespace switchyard
