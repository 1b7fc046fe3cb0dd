/*
 * Runs a program as on a kernel that lacks what Weir would rather have: a filter refuses the calls,
 * for it and for all that it starts.
 *
 *     refuse [--regions] [--mprotect] PROGRAM [ARGUMENT…]
 *
 * --regions   madvise knows no guard regions (EINVAL): Linux before 6.13
 * --mprotect  no mapping can be made a stack's guard (ENOMEM), as when vm.max_map_count is reached.
 *             Others can: compilers and clients of the tests map too, and are not what is tried
 *
 * The program's own exit status; 125 when it cannot be started so.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/stack.h"

#define GUARD_INSTALL 102
#define GUARD_REMOVE 103

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define SKIP_UNLESS(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (n))
#define SKIP_IF(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (n), 0)
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define REFUSE(err) ANSWER(SECCOMP_RET_ERRNO | (err))

static bool refuse(bool regions, bool guards)
{
    struct sock_filter code[] = {
        LOAD(arch),
        SKIP_IF(AUDIT_ARCH_X86_64, 1),
        ANSWER(SECCOMP_RET_ALLOW),
        LOAD(nr),
        SKIP_UNLESS(SYS_madvise, 4),
        LOAD(args[2]),
        SKIP_IF(GUARD_INSTALL, 1),
        SKIP_UNLESS(GUARD_REMOVE, 7),
        REFUSE(regions ? EINVAL : 0),
        SKIP_UNLESS(SYS_mprotect, 5),
        LOAD(args[1]),
        SKIP_UNLESS(WEIR__STACK_GUARD, 3),
        LOAD(args[2]),
        SKIP_UNLESS(PROT_NONE, 1),
        REFUSE(ENOMEM),
        ANSWER(SECCOMP_RET_ALLOW),
    };
    enum { REGIONS_ANSWER = 8, GUARDS_ANSWER = 14 };
    if (!regions)
        code[REGIONS_ANSWER] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
    if (!guards)
        code[GUARDS_ANSWER] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
    struct sock_fprog filter = {.len = sizeof code / sizeof code[0], .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

int main(int argc, char **argv)
{
    bool regions = false, guards = false;
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        regions = regions || strcmp(argv[i], "--regions") == 0;
        guards = guards || strcmp(argv[i], "--mprotect") == 0;
    }
    if (i == argc || !refuse(regions, guards)) {
        fprintf(stderr, "refuse: %s\n", i == argc ? "no program" : strerror(errno));
        return 125;
    }
    execvp(argv[i], argv + i);
    fprintf(stderr, "refuse: %s: %s\n", argv[i], strerror(errno));
    return 125;
}
