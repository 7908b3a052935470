// arm64, AAPCS64: x19-x30 and the low halves of v8-v15 belong to the caller and are kept on its stack. The return address
// travels in x30 unsigned, so that pointer authentication in the code around has nothing to check here.

#if defined(__linux__) && defined(__aarch64__)

#define SYS_FUTEX 98
#define SYS_SET_TID_ADDRESS 96
#define SYS_EXIT 93
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129

  .text

  .globl switchyard_switch
  .hidden switchyard_switch
  .type switchyard_switch, %function
switchyard_switch:
  hint #34                  // bti c: a landing place for an indirect call
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  mrs x10, tpidr_el0
  stp x9, x10, [x0]
  ldp x9, x10, [x1]
  msr tpidr_el0, x10
  mov sp, x9
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
  .size switchyard_switch, . - switchyard_switch

  .globl switchyard_start
  .hidden switchyard_start
  .type switchyard_start, %function
switchyard_start:
  .cfi_startproc
  .cfi_undefined x30        // the outermost frame: unwinders and debuggers stop here
  mov x29, xzr
  mov x0, x20
  blr x19
  brk #0
  .cfi_endproc
  .size switchyard_start, . - switchyard_start

  .globl switchyard_thread_pointer
  .hidden switchyard_thread_pointer
  .type switchyard_thread_pointer, %function
switchyard_thread_pointer:
  hint #34
  mrs x0, tpidr_el0
  ret
  .size switchyard_thread_pointer, . - switchyard_thread_pointer

  .globl switchyard_lend
  .hidden switchyard_lend
  .type switchyard_lend, %function
switchyard_lend:
  .cfi_startproc
  hint #34
  mov x9, x1
  mov w10, #1
  stlr w10, [x0]            // whoever sees it must see the prepared context too
  mov x1, #FUTEX_WAKE_PRIVATE
  mov x2, #1
  mov x8, #SYS_FUTEX
  svc #0
1:
  ldar w10, [x9]
  cbnz w10, 2f
  mov x0, x9
  mov x1, #FUTEX_WAIT_PRIVATE
  mov x2, #0
  mov x3, #0
  mov x8, #SYS_FUTEX
  svc #0
  b 1b
2:
  ret
  .cfi_endproc
  .size switchyard_lend, . - switchyard_lend

  .globl switchyard_end_thread
  .hidden switchyard_end_thread
  .type switchyard_end_thread, %function
switchyard_end_thread:
  hint #34
  mov x8, #SYS_SET_TID_ADDRESS
  svc #0
  mov x0, #0
  mov x8, #SYS_EXIT
  svc #0
  brk #0
  .size switchyard_end_thread, . - switchyard_end_thread

#endif

#if defined(__linux__) && defined(__ELF__)
  .section .note.GNU-stack, "", %progbits
#endif
