/*
 * Last words. Everything here runs in a signal handler, on a process in which nothing can be
 * trusted: no lock, no memory, no buffered output. The line is made on the stack, its addresses are
 * raw ("module+0x1234"), and it is written at once.
 *
 * The one hard thing is names. Finding them takes memory, files and locks, and may itself fault; so
 * a child does it, a copy of the process with this one thread, which writes the second line if it
 * lives long enough. The parent waits for it up to two seconds, then dies in peace, with its core.
 *
 * Owns nothing. Limits: 24 frames; a sink that is full gets a second.
 */
#include "rt/last_words.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/sys.h"
#include "rt/interrupted.h"
#include "rt/log_stack.h"
#include "rt/switch.h"
#include "rt/worker.h"

#define DEPTH_MAX 24
#define NAMER_STACK (1u << 20)
#define NAMER_SECONDS 2
#define STEP_NS 5000000

static atomic_bool is_dying;
static _Thread_local bool is_telling;

/* What the child needs; its own copy. */
static struct {
    void *pcs[DEPTH_MAX];
    size_t depth;
} naming;

static void add_who(struct weir__log_line *l, const struct weir__fiber *f)
{
    char thread[16] = "";
    if (prctl(PR_GET_NAME, thread) == 0)
        weir__log_str(l, "thread", weir_str_from(thread));
    if (f == NULL)
        return;
    weir__log_str(l, "fiber", weir_str_from(f->name));
    if (f->ctx != NULL)
        weir__log_origin(l, f->ctx->origin);
}

/* --- names -------------------------------------------------------------------------------- */

/* In the child, on a stack that is large enough. */
static void name_stack(void)
{
    struct weir__log_line l;
    WEIR_ASSERT(naming.depth > 0, "G4: where the process ends is known before its name is");
    weir__log_begin(&l, WEIR_LOG_ERROR, WEIR_S("where that was"), NULL, NULL);
    weir__log_stack(&l, weir__symbolise_anew, naming.pcs, naming.depth, true);
    weir__log_last(&l);
    _exit(0);
}

static void become_namer(void)
{
    static const int silent[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};
    static void *unused;
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++) {
        signal(silent[i], SIG_DFL);
        sigaddset(&set, silent[i]);
    }
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    prctl(PR_SET_DUMPABLE, 0); /* its own faults are nobody's concern */
    alarm(NAMER_SECONDS);
    char *stack = weir__sys_mmap(NAMER_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (stack == NULL)
        _exit(1);
    weir__switch(&unused, weir__switch_begin(stack + NAMER_STACK, name_stack));
}

static void wait_for_names(void)
{
    pid_t namer = _Fork();
    if (namer == 0)
        become_namer();
    const struct timespec step = {.tv_nsec = STEP_NS};
    for (int64_t waited = 0; namer > 0 && waitpid(namer, NULL, WNOHANG) == 0; waited += STEP_NS) {
        if (waited > (NAMER_SECONDS + 1) * (int64_t)1000000000)
            kill(namer, SIGKILL);
        nanosleep(&step, NULL);
    }
}

/* ------------------------------------------------------------------------------------------- */

bool weir__last_words(weir_str message, const char *obstacle, const ucontext_t *u)
{
    if (is_telling)
        return false;
    is_telling = true;
    while (atomic_exchange(&is_dying, true))
        pause();
    const struct weir__fiber *f = weir__fiber_self();
    struct weir__log_line l;
    naming.depth = weir__interrupted_stack(u, f, false, naming.pcs, DEPTH_MAX);
    WEIR_ASSERT(naming.depth <= DEPTH_MAX, "G4: a stack has the frames that there is room for");
    weir__log_begin(&l, WEIR_LOG_ERROR, message, NULL, NULL);
    weir__log_str(&l, "not_contained", weir_str_from(obstacle));
    add_who(&l, f);
    weir__log_stack(&l, weir__symbol_raw, naming.pcs, naming.depth, true);
    weir__log_last(&l);
    wait_for_names();
    return true;
}
