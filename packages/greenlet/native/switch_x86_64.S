// x86-64, System V calling convention: rbx, rbp, r12-r15 belong to the caller and are kept on its stack. The control words of
// the floating-point units belong to it too, but neither V8 nor Node changes them, so they are left alone.

#if defined(__linux__) && defined(__x86_64__)

#define SYS_FUTEX 202
#define SYS_SET_TID_ADDRESS 218
#define SYS_EXIT 60
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129

  .text

  .globl switchyard_switch
  .hidden switchyard_switch
  .type switchyard_switch, @function
switchyard_switch:
  endbr64
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  rdfsbase %rax
  movq %rsp, 0(%rdi)
  movq %rax, 8(%rdi)
  movq 8(%rsi), %rax
  wrfsbase %rax
  movq 0(%rsi), %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size switchyard_switch, . - switchyard_switch

  .globl switchyard_start
  .hidden switchyard_start
  .type switchyard_start, @function
switchyard_start:
  .cfi_startproc
  .cfi_undefined rip        // the outermost frame: unwinders and debuggers stop here
  endbr64
  xorl %ebp, %ebp
  movq %rbx, %rdi
  call *%r12
  ud2
  .cfi_endproc
  .size switchyard_start, . - switchyard_start

  .globl switchyard_thread_pointer
  .hidden switchyard_thread_pointer
  .type switchyard_thread_pointer, @function
switchyard_thread_pointer:
  endbr64
  rdfsbase %rax
  ret
  .size switchyard_thread_pointer, . - switchyard_thread_pointer

  .globl switchyard_lend
  .hidden switchyard_lend
  .type switchyard_lend, @function
switchyard_lend:
  .cfi_startproc
  endbr64
  movq %rsi, %r8            // the kernel keeps every register but rax, rcx and r11
  movl $1, (%rdi)
  movl $FUTEX_WAKE_PRIVATE, %esi
  movl $1, %edx
  movl $SYS_FUTEX, %eax
  syscall
1:
  cmpl $0, (%r8)
  jne 2f
  movq %r8, %rdi
  movl $FUTEX_WAIT_PRIVATE, %esi
  xorl %edx, %edx
  xorl %r10d, %r10d
  movl $SYS_FUTEX, %eax
  syscall
  jmp 1b
2:
  ret
  .cfi_endproc
  .size switchyard_lend, . - switchyard_lend

  .globl switchyard_end_thread
  .hidden switchyard_end_thread
  .type switchyard_end_thread, @function
switchyard_end_thread:
  endbr64
  movl $SYS_SET_TID_ADDRESS, %eax
  syscall
  xorl %edi, %edi
  movl $SYS_EXIT, %eax
  syscall
  ud2
  .size switchyard_end_thread, . - switchyard_end_thread

#endif

#if defined(__linux__) && defined(__ELF__)
  .section .note.GNU-stack, "", %progbits
#endif
