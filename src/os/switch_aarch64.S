/*
 * The switch between stacks, and recovery points, for aarch64 (AAPCS64). What is said of x86-64 in
 * switch_x86_64.S is true here; words are numbered in arch_aarch64.h. FPCR is not saved, as MXCSR
 * is not there.
 */
        .text

/* void weir__switch(void **save_sp, void *to_sp) */
        .globl  weir__switch
        .hidden weir__switch
        .type   weir__switch, %function
        .p2align 4
weir__switch:
        .cfi_startproc
        stp     x29, x30, [sp, #-160]!
        .cfi_def_cfa_offset 160
        .cfi_offset 29, -160
        .cfi_offset 30, -152
        stp     x19, x20, [sp, #16]
        stp     x21, x22, [sp, #32]
        stp     x23, x24, [sp, #48]
        stp     x25, x26, [sp, #64]
        stp     x27, x28, [sp, #80]
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        .cfi_offset 19, -144
        .cfi_offset 20, -136
        .cfi_offset 21, -128
        .cfi_offset 22, -120
        .cfi_offset 23, -112
        .cfi_offset 24, -104
        .cfi_offset 25, -96
        .cfi_offset 26, -88
        .cfi_offset 27, -80
        .cfi_offset 28, -72
        .cfi_offset 72, -64
        .cfi_offset 73, -56
        .cfi_offset 74, -48
        .cfi_offset 75, -40
        .cfi_offset 76, -32
        .cfi_offset 77, -24
        .cfi_offset 78, -16
        .cfi_offset 79, -8
        mov     x2, sp
        str     x2, [x0]
        mov     sp, x1
        ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        ldp     x29, x30, [sp], #160
        .cfi_def_cfa_offset 0
        .cfi_restore 19
        .cfi_restore 20
        .cfi_restore 21
        .cfi_restore 22
        .cfi_restore 23
        .cfi_restore 24
        .cfi_restore 25
        .cfi_restore 26
        .cfi_restore 27
        .cfi_restore 28
        .cfi_restore 29
        .cfi_restore 30
        .cfi_restore 72
        .cfi_restore 73
        .cfi_restore 74
        .cfi_restore 75
        .cfi_restore 76
        .cfi_restore 77
        .cfi_restore 78
        .cfi_restore 79
        ret
        .cfi_endproc
        .size   weir__switch, .-weir__switch

/*
 * Where a new stack begins: weir__switch returns here, on an empty stack that is 16-byte aligned;
 * x19 is the function.
 */
        .globl  weir__fiber_entry
        .hidden weir__fiber_entry
        .type   weir__fiber_entry, %function
        .p2align 4
weir__fiber_entry:
        .cfi_startproc
        .cfi_undefined 30
        mov     x29, #0
        mov     x30, #0
        blr     x19
        brk     #1
        .cfi_endproc
        .size   weir__fiber_entry, .-weir__fiber_entry

/* uintptr_t weir__try_raw(void (*fn)(void *), void *arg, struct weir__catch *k) */
        .globl  weir__try_raw
        .hidden weir__try_raw
        .type   weir__try_raw, %function
        .p2align 4
weir__try_raw:
        .cfi_startproc
        .cfi_personality 0x1b, weir__try_personality
        stp     x29, x30, [sp, #-16]!
        .cfi_def_cfa_offset 16
        .cfi_offset 29, -16
        .cfi_offset 30, -8
        mov     x29, sp
        .cfi_def_cfa_register 29
        stp     x19, x20, [x2]
        stp     x21, x22, [x2, #16]
        stp     x23, x24, [x2, #32]
        stp     x25, x26, [x2, #48]
        stp     x27, x28, [x2, #64]
        mov     x3, sp
        stp     x29, x3, [x2, #80]
        stp     d8, d9, [x2, #96]
        stp     d10, d11, [x2, #112]
        stp     d12, d13, [x2, #128]
        stp     d14, d15, [x2, #144]
        mov     x3, x0
        mov     x0, x1
        blr     x3
        mov     x0, #0
        .globl  weir__try_landing
        .hidden weir__try_landing
weir__try_landing:
        ldp     x29, x30, [sp], #16
        .cfi_def_cfa 31, 0
        .cfi_restore 29
        .cfi_restore 30
        ret
        .cfi_endproc
        .size   weir__try_raw, .-weir__try_raw

/* _Noreturn void weir__catch_jump(struct weir__catch *k): makes weir__try_raw return 1. */
        .globl  weir__catch_jump
        .hidden weir__catch_jump
        .type   weir__catch_jump, %function
        .p2align 4
weir__catch_jump:
        .cfi_startproc
        ldp     x19, x20, [x0]
        ldp     x21, x22, [x0, #16]
        ldp     x23, x24, [x0, #32]
        ldp     x25, x26, [x0, #48]
        ldp     x27, x28, [x0, #64]
        ldp     x29, x3, [x0, #80]
        ldp     d8, d9, [x0, #96]
        ldp     d10, d11, [x0, #112]
        ldp     d12, d13, [x0, #128]
        ldp     d14, d15, [x0, #144]
        mov     sp, x3
        mov     x0, #1
        ldp     x29, x30, [sp], #16
        ret
        .cfi_endproc
        .size   weir__catch_jump, .-weir__catch_jump

        .section .note.GNU-stack,"",@progbits
