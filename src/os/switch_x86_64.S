/*
 * The switch between stacks, and recovery points, for x86-64 System V.
 *
 * weir__switch saves the callee-saved registers on the present stack, stores the stack pointer, and
 * takes the other's. The layout on the stack is the same before and after, so one set of CFI
 * describes both, and a debugger that is given a parked fiber's stack pointer unwinds it. MXCSR and
 * the x87 control word are not saved: who changes the rounding mode in a fiber must restore it
 * before waiting.
 *
 * weir__fiber_entry ends every unwind: rip is undefined in its caller, and rbp is zero.
 */
        .text

/* void weir__switch(void **save_sp, void *to_sp) */
        .globl  weir__switch
        .hidden weir__switch
        .type   weir__switch, @function
        .p2align 4
weir__switch:
        .cfi_startproc
        pushq   %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset %rbp, -16
        pushq   %rbx
        .cfi_def_cfa_offset 24
        .cfi_offset %rbx, -24
        pushq   %r12
        .cfi_def_cfa_offset 32
        .cfi_offset %r12, -32
        pushq   %r13
        .cfi_def_cfa_offset 40
        .cfi_offset %r13, -40
        pushq   %r14
        .cfi_def_cfa_offset 48
        .cfi_offset %r14, -48
        pushq   %r15
        .cfi_def_cfa_offset 56
        .cfi_offset %r15, -56
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        popq    %r15
        .cfi_def_cfa_offset 48
        .cfi_restore %r15
        popq    %r14
        .cfi_def_cfa_offset 40
        .cfi_restore %r14
        popq    %r13
        .cfi_def_cfa_offset 32
        .cfi_restore %r13
        popq    %r12
        .cfi_def_cfa_offset 24
        .cfi_restore %r12
        popq    %rbx
        .cfi_def_cfa_offset 16
        .cfi_restore %rbx
        popq    %rbp
        .cfi_def_cfa_offset 8
        .cfi_restore %rbp
        ret
        .cfi_endproc
        .size   weir__switch, .-weir__switch

/*
 * Where a new stack begins: weir__switch returns here, on an empty stack that is 16-byte aligned;
 * rbx is the function.
 */
        .globl  weir__fiber_entry
        .hidden weir__fiber_entry
        .type   weir__fiber_entry, @function
        .p2align 4
weir__fiber_entry:
        .cfi_startproc
        .cfi_undefined %rip
        xorl    %ebp, %ebp
        call    *%rbx
        ud2
        .cfi_endproc
        .size   weir__fiber_entry, .-weir__fiber_entry

/*
 * uintptr_t weir__try_raw(void (*fn)(void *), void *arg, struct weir__catch *k)
 * Calls fn(arg) and returns 0; or 1, by way of weir__catch_jump; or, at weir__try_landing, the
 * address of an exception that nobody else has caught: its personality (rt/panic.c) says that it
 * is a handler for those of all languages. k->regs: arch_x86_64.h.
 */
        .globl  weir__try_raw
        .hidden weir__try_raw
        .type   weir__try_raw, @function
        .p2align 4
weir__try_raw:
        .cfi_startproc
        .cfi_personality 0x1b, weir__try_personality
        pushq   %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset %rbp, -16
        movq    %rsp, %rbp
        .cfi_def_cfa_register %rbp
        movq    %rbx, 0(%rdx)
        movq    %rbp, 8(%rdx)
        movq    %r12, 16(%rdx)
        movq    %r13, 24(%rdx)
        movq    %r14, 32(%rdx)
        movq    %r15, 40(%rdx)
        movq    %rsp, 48(%rdx)
        movq    %rdi, %rax
        movq    %rsi, %rdi
        call    *%rax
        xorl    %eax, %eax
        .globl  weir__try_landing
        .hidden weir__try_landing
weir__try_landing:
        popq    %rbp
        .cfi_def_cfa %rsp, 8
        .cfi_restore %rbp
        ret
        .cfi_endproc
        .size   weir__try_raw, .-weir__try_raw

/* _Noreturn void weir__catch_jump(struct weir__catch *k): makes weir__try_raw return 1. */
        .globl  weir__catch_jump
        .hidden weir__catch_jump
        .type   weir__catch_jump, @function
        .p2align 4
weir__catch_jump:
        .cfi_startproc
        movq    0(%rdi), %rbx
        movq    8(%rdi), %rbp
        movq    16(%rdi), %r12
        movq    24(%rdi), %r13
        movq    32(%rdi), %r14
        movq    40(%rdi), %r15
        movq    48(%rdi), %rsp
        movl    $1, %eax
        popq    %rbp
        ret
        .cfi_endproc
        .size   weir__catch_jump, .-weir__catch_jump

        .section .note.GNU-stack,"",@progbits
