/*
 * Programs that belong to a context: their output and input as streams that wait as fibers do, and
 * their end.
 *
 * The one hard thing is that a number may be signalled only while it is this program's: until it is
 * reaped. So everything asks with the process left as a zombie (WNOWAIT), what the program has left
 * in its group is ended, and reaping is the very last. Where the kernel has no descriptors for
 * processes, or there are none left, their end is looked for in growing steps.
 *
 * In the simulation programs are real and time is not: a wait for one is work on the offload pool,
 * done by this very thread, so it can be cancelled before it begins, as each wait.
 *
 * Owns pipes, the process and its group. Context: fibers of the worker that started it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/given.h"
#include "io/process_start.h"
#include "os/sys.h"
#include "rt/io.h"
#include "rt/log.h"
#include "rt/offload.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/sized.h"
#include "sync/busy.h"
#include <weir/fiber.h>

#define KIND WEIR__KIND_PROCESS
#define GRACE_NS_DEFAULT 1000000000
#define GRACE_NS_MAX 5000000000LL
#define KILL_PATIENCE_NS 2000000000LL /* from SIGKILL to giving up: it hangs in the kernel */
#define NAP_NS_MIN 1000000
#define NAP_NS_MAX 50000000
#define PIECE_MIN 4096
#define REAL_PATIENCE_MS 1000
#define SIGNAL_STATUS 128 /* as shells say it */

/* One direction. */
struct stream {
    struct weir__fd fd; /* -1: none, or closed */
    bool is_there;      /* there was one */
    bool is_taken;      /* a fiber is in a call on it */
};

struct weir_process {
    struct weir__busy busy;
    struct stream in, out, err, end; /* end: the process itself, readable when it has ended */
    weir_err failed;                 /* the start's error */
    pid_t pid;                       /* 0: none, or reaped */
    int status;                      /* of one that has been reaped; or an error */
    weir_dur grace;
    char *name;
};

static weir_process no_memory = {.busy = {.q = {.token = WEIR__TOKEN_STATIC(KIND)}},
                                 .failed = -ENOMEM};

static weir_process *process_of(const weir_process *handle, const char *function)
{
    return weir__waitq_of(handle, KIND, function, "the process");
}

static bool is_simulated(void)
{
    return weir__self->poller.ops->is_virtual;
}

/* --- waiting for a descriptor -------------------------------------------------------------- */

/* In the simulation: a real wait of a thread. */
struct look {
    int fd; /* -1: only time */
    short events;
    int64_t ms;
    bool is_ready;
};

static weir_err do_look(void *arg)
{
    struct look *l = arg;
    struct pollfd p = {.fd = l->fd, .events = l->events};
    int ms = l->ms > INT32_MAX ? -1 : (int)l->ms;
    l->is_ready = poll(&p, 1, ms) > 0;
    return WEIR_OK;
}

/*
 * The virtual clock stands still meanwhile. Only when nothing happens for so long that the program
 * is not merely slow is it moved on, to the end of the time that there was.
 */
static weir_err await_simulated(struct weir__ctx *c, int fd, short events, weir_time until)
{
    int64_t now = weir__worker_now(weir__self).ns;
    int64_t end = until.ns < c->deadline.ns || c->is_shielded ? until.ns : c->deadline.ns;
    int64_t left = end - now;
    struct look l = {.fd = fd, .events = events, .ms = left / 1000000};
    if (left <= 0)
        return WEIR_ETIMEDOUT;
    if (fd >= 0 && l.ms < REAL_PATIENCE_MS)
        l.ms = REAL_PATIENCE_MS;
    weir_err err = weir__offload_on(weir__self->runtime->offload, c, NULL, do_look, &l, NULL);
    if (err < 0 || l.is_ready)
        return err;
    err = weir_sleep(weir__ctx_handle(c), weir_ns(left));
    return err < 0 ? err : WEIR_ETIMEDOUT;
}

static weir_err await_fd(struct weir__ctx *c, struct weir__fd *fd, bool is_writing, weir_time until)
{
    if (is_simulated())
        return await_simulated(c, fd->num, is_writing ? POLLOUT : POLLIN, until);
    struct weir__op op = {.kind = is_writing ? WEIR__OP_WRITABLE : WEIR__OP_READABLE, .fd = fd};
    fd->ready &= (uint8_t) ~(is_writing ? WEIR__WRITABLE : WEIR__READABLE);
    return (weir_err)weir__io(c, &op, until);
}

static weir_err nap(struct weir__ctx *c, int64_t ns, weir_time until)
{
    weir_time now = weir__worker_now(weir__self);
    if (now.ns >= until.ns)
        return WEIR_ETIMEDOUT;
    ns = ns < until.ns - now.ns ? ns : until.ns - now.ns;
    if (!is_simulated())
        return weir_sleep(weir__ctx_handle(c), weir_ns(ns));
    weir_err err = await_simulated(c, -1, 0, weir_time_add(now, weir_ns(ns)));
    return err == WEIR_ETIMEDOUT ? WEIR_OK : err;
}

/* --- streams ------------------------------------------------------------------------------- */

static weir_err open_stream(struct stream *s, int num)
{
    s->fd.num = num;
    s->is_there = num >= 0;
    return num < 0 || is_simulated() ? WEIR_OK : weir__fd_watch(&s->fd, num, NULL);
}

/* Who waits in it is woken. */
static void close_stream(struct stream *s)
{
    if (s->fd.num < 0)
        return;
    if (!is_simulated()) {
        weir__fd_close(&s->fd);
        return;
    }
    (void)weir__sys_close(s->fd.num);
    s->fd.num = -1;
}

/* --- its end ------------------------------------------------------------------------------- */

/* True when it is a zombie, or not there at all. Leaves it as it is. */
static bool has_ended(const weir_process *p)
{
    siginfo_t info = {.si_pid = 0};
    int err = weir__sys_waitid(p->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    return err < 0 || info.si_pid != 0;
}

/* Of one that has ended: its group goes with it, its number is free from here on. */
static void reap(weir_process *p)
{
    siginfo_t info = {.si_pid = 0};
    (void)weir__sys_kill(-p->pid, SIGKILL);
    int err = weir__sys_waitid(p->pid, &info, WEXITED);
    if (err < 0)
        err = weir__sys_waitid(p->pid, &info, WEXITED); /* it must not stay for one failure */
    p->pid = 0;
    if (err < 0)
        p->status = err;
    else
        p->status = info.si_code == CLD_EXITED ? info.si_status : SIGNAL_STATUS + info.si_status;
    close_stream(&p->end);
}

/* Until it has ended, and is reaped. */
static weir_err await_end(struct weir__ctx *c, weir_process *p, weir_time until)
{
    for (int64_t step = NAP_NS_MIN; !has_ended(p);) {
        weir_err err =
            p->end.fd.num >= 0 ? await_fd(c, &p->end.fd, false, until) : nap(c, step, until);
        if (err < 0)
            return err;
        step = step * 2 < NAP_NS_MAX ? step * 2 : NAP_NS_MAX;
    }
    reap(p);
    return WEIR_OK;
}

static weir_time from_now(int64_t ns)
{
    return weir_time_add(weir__worker_now(weir__self), weir_ns(ns));
}

/* The end of one that may still run: asked to, then made to. In a shield of its own. */
static void end_process(struct weir__ctx *c, weir_process *p)
{
    bool was_shielded = c->is_shielded;
    weir_time was_until = c->shield_until;
    c->is_shielded = true;
    c->shield_until = from_now(p->grace.ns + 2 * KILL_PATIENCE_NS);
    if (p->end.fd.num < 0)
        (void)open_stream(&p->end, weir__sys_pidfd_open(p->pid));
    if (await_end(c, p, from_now(p->grace.ns)) < 0) {
        weir_log(NULL, WEIR_LOG_WARN, "%s (process %d) did not end within %lld ms: killed", p->name,
                 (int)p->pid, (long long)(p->grace.ns / 1000000));
        (void)weir__sys_kill(-p->pid, SIGKILL);
        (void)weir__sys_kill(p->pid, SIGKILL);
        if (await_end(c, p, from_now(KILL_PATIENCE_NS)) < 0)
            weir_log(NULL, WEIR_LOG_ERROR, "%s (process %d) cannot be killed: it is left behind",
                     p->name, (int)p->pid);
    }
    c->is_shielded = was_shielded;
    c->shield_until = was_until;
}

/* Everything is closed at once, the rest when nobody is in a call any more. */
static void begin_end(weir_process *p)
{
    if (p->pid != 0 && !has_ended(p))
        (void)weir__sys_kill(-p->pid, SIGTERM);
    close_stream(&p->in);
    close_stream(&p->out);
    close_stream(&p->err);
    close_stream(&p->end);
}

static void release(struct weir__owned *o)
{
    weir_process *p = WEIR_CONTAINER(o, weir_process, busy.q.owned);
    bool is_mine = weir__busy_end(&p->busy, false);
    if (is_mine)
        begin_end(p);
    weir__busy_await(&p->busy, 0);
    if (is_mine && p->pid != 0)
        end_process(o->ctx, p);
}

static void describe(const struct weir__owned *o, weir_buf *out)
{
    const weir_process *p = WEIR_CONTAINER(o, weir_process, busy.q.owned);
    weir_buf_printf(out, "%s, process %d", p->name != NULL ? p->name : "?", (int)p->pid);
}

static const struct weir__owned_type owned_type = {
    .name = "process", .release = release, .describe = describe};

void weir_process_close(weir_ctx *c, weir_process *p)
{
    WEIR__FIBERS_ONLY();
    (void)weir__ctx_of(c);
    p = process_of(p, __func__);
    if (!weir__busy_end(&p->busy, true))
        return;
    begin_end(p);
    weir__busy_await(&p->busy, 1);
    if (p->pid != 0)
        end_process(p->busy.q.owned.ctx, p);
    weir__disown(&p->busy.q.owned);
    weir__busy_leave(&p->busy);
}

/* --- starting ------------------------------------------------------------------------------ */

static weir_err start(struct weir__ctx *c, weir_process *p, const char *const *argv,
                      const weir_spawn_options *options)
{
    struct weir__started started;
    weir_err err = weir__process_start(c, argv, options, &started);
    p->pid = started.pid;
    weir_err watched[] = {open_stream(&p->in, started.in), open_stream(&p->out, started.out),
                          open_stream(&p->err, started.err)};
    for (size_t i = 0; i < 3 && err == WEIR_OK; i++)
        err = watched[i];
    int num = p->pid != 0 ? weir__sys_pidfd_open(p->pid) : -1;
    if (num >= 0 && open_stream(&p->end, num) < 0)
        close_stream(&p->end); /* it is looked for in steps then */
    if (err == WEIR_OK)
        return WEIR_OK;
    begin_end(p);
    if (p->pid != 0)
        end_process(c, p);
    return err;
}

static void tell(const weir_site *site, weir_ctx *c, weir_err err, const char *name)
{
    if (weir__ctx_of(c)->reason == WEIR_REASON_NONE)
        (void)weir_raise_at(site, c, err, 0, "cannot start %s: %s", name, weir_strerror(err));
}

static weir_dur grace_of(const weir_spawn_options *options)
{
    if (options->grace.ns <= 0)
        return weir_ns(GRACE_NS_DEFAULT);
    return options->grace.ns < GRACE_NS_MAX ? options->grace : weir_ns(GRACE_NS_MAX);
}

weir_process *weir_spawn_at(const weir_site *site, weir_ctx *c, const char *const *argv,
                            const weir_spawn_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir__given(argv, "the array of arguments");
    if (argv == NULL || argv[0] == NULL)
        weir__misuse("weir_spawn", "the program has no name");
    weir_spawn_options room;
    options = weir__options(options, &room, sizeof room, "weir_spawn");
    struct weir__ctx *owner = weir__ctx_local(weir__ctx_of_at(c, "weir_spawn"));
    weir_process *p = weir__waitq_new(owner, sizeof *p, KIND, &owned_type, site);
    if (p == NULL) {
        tell(site, c, -ENOMEM, argv[0]);
        return &no_memory;
    }
    p->in.fd.num = p->out.fd.num = p->err.fd.num = p->end.fd.num = -1;
    p->failed = -ENOMEM;
    p->grace = grace_of(options);
    size_t size = strlen(argv[0]) + 1;
    p->name = weir__ctx_object(owner, size);
    if (p->name != NULL) {
        memcpy(p->name, argv[0], size);
        p->failed = start(owner, p, argv, options);
    }
    if (p->failed < 0)
        tell(site, c, p->failed, argv[0]);
    return weir__token_handle(&p->busy.q.token);
}

weir_err weir_process_err(const weir_process *p)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    return process_of(p, __func__)->failed;
}

pid_t weir_process_pid(const weir_process *p)
{
    WEIR__FIBERS_ONLY(0);
    return process_of(p, __func__)->pid;
}

/* --- calls --------------------------------------------------------------------------------- */

/* Each call begins with it, and ends with leave when it was WEIR_OK. */
static weir_err enter(struct weir__ctx *c, weir_process *p, struct stream *s, const char *function)
{
    weir_err err = weir__may_wait(c);
    if (err < 0)
        return err;
    err = p->failed < 0 ? p->failed : weir__busy_enter(&p->busy);
    if (err < 0)
        return weir__wait_refused(err);
    if (s->is_taken) {
        weir__busy_leave(&p->busy);
        weir__misuse(function, "another fiber is in it: one at a time on a process");
    }
    s->is_taken = true;
    return WEIR_OK;
}

static void leave(weir_process *p, struct stream *s)
{
    s->is_taken = false;
    weir__busy_leave(&p->busy);
}

static ssize_t read_some(struct weir__ctx *c, struct stream *s, void *bytes, size_t size)
{
    for (;;) {
        if (s->fd.num < 0)
            return WEIR_ECLOSED;
        ssize_t n = weir__sys_read(s->fd.num, bytes, size);
        if (n != -EAGAIN)
            return n;
        weir_err err = await_fd(c, &s->fd, false, weir_never());
        if (err < 0)
            return s->fd.num < 0 ? WEIR_ECLOSED : err;
    }
}

static ssize_t read_stream(weir_ctx *c, weir_process *p, struct stream *s, void *bytes, size_t size,
                           const char *function)
{
    struct weir__ctx *ctx = weir__ctx_of_at(c, function);
    if (p->failed == WEIR_OK && !s->is_there)
        weir__misuse(function, "that output goes elsewhere: see .out and .err of weir_spawn");
    weir_err err = enter(ctx, p, s, function);
    if (err < 0)
        return err;
    ssize_t n = read_some(ctx, s, bytes, size);
    leave(p, s);
    if (n <= 0 && size > 0) /* it may be asked for ever */
        (void)weir__wait_refused(n < 0 ? (weir_err)n : WEIR_ECLOSED);
    return n;
}

ssize_t weir_process_read(weir_ctx *c, weir_process *p, void *bytes, size_t size)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_some(bytes, size, "the memory");
    p = process_of(p, __func__);
    return read_stream(c, p, &p->out, bytes, size, __func__);
}

ssize_t weir_process_read_err(weir_ctx *c, weir_process *p, void *bytes, size_t size)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_some(bytes, size, "the memory");
    p = process_of(p, __func__);
    return read_stream(c, p, &p->err, bytes, size, __func__);
}

/* Twice the room for the `*size` bytes, in the memory of `c`. */
static weir_err double_room(struct weir__ctx *c, char **bytes, size_t *size)
{
    size_t more = *size * 2 < PIECE_MIN ? PIECE_MIN : *size * 2;
    char *larger = weir__ctx_alloc(c, more);
    if (larger == NULL)
        return c->arena.is_over_budget ? WEIR_EBUDGET : -ENOMEM;
    if (*size > 0)
        memcpy(larger, *bytes, *size);
    *bytes = larger;
    *size = more;
    return WEIR_OK;
}

weir_err weir_process_read_all(weir_ctx *c, weir_process *p, size_t bytes_max, weir_str *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(out, "the result");
    struct weir__ctx *ctx = weir__ctx_of(c);
    char *bytes = NULL;
    size_t len = 0, size = 0;
    p = process_of(p, __func__);
    *out = (weir_str){"", 0};
    for (;;) {
        weir_err err = len == size ? double_room(ctx, &bytes, &size) : WEIR_OK;
        if (err < 0)
            return err;
        ssize_t n = read_stream(c, p, &p->out, bytes + len, size - len, __func__);
        if (n < 0)
            return (weir_err)n;
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > bytes_max)
            return WEIR_ETOOLARGE;
    }
    *out = (weir_str){bytes, len};
    return WEIR_OK;
}

static weir_err write_all(struct weir__ctx *c, struct stream *s, const char *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        if (s->fd.num < 0)
            return WEIR_ECLOSED;
        ssize_t n = weir__sys_write(s->fd.num, bytes + done, size - done);
        weir_err err =
            n == -EAGAIN ? await_fd(c, &s->fd, true, weir_never()) : (weir_err)(n < 0 ? n : 0);
        if (err < 0)
            return s->fd.num < 0 ? WEIR_ECLOSED : err;
        done += n > 0 ? (size_t)n : 0;
    }
    return WEIR_OK;
}

weir_err weir_process_write(weir_ctx *c, weir_process *p, const void *bytes, size_t size)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_some(bytes, size, "the data");
    struct weir__ctx *ctx = weir__ctx_of(c);
    p = process_of(p, __func__);
    if (p->failed == WEIR_OK && !p->in.is_there)
        weir__misuse(__func__, "it was started without .input_open");
    weir_err err = enter(ctx, p, &p->in, __func__);
    if (err < 0)
        return err;
    err = write_all(ctx, &p->in, bytes, size);
    leave(p, &p->in);
    return err < 0 ? weir__wait_refused(err) : WEIR_OK;
}

void weir_process_end_input(weir_ctx *c, weir_process *p)
{
    WEIR__FIBERS_ONLY();
    (void)weir__ctx_of(c);
    p = process_of(p, __func__);
    if (p->in.is_taken)
        weir__misuse(__func__, "a fiber is writing to it");
    close_stream(&p->in);
}

int weir_process_wait(weir_ctx *c, weir_process *p)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *ctx = weir__ctx_of(c);
    p = process_of(p, __func__);
    weir_err err = enter(ctx, p, &p->end, __func__);
    if (err < 0)
        return err;
    if (p->pid != 0)
        err = await_end(ctx, p, weir_never());
    if (err < 0 && weir__waitq_state(&p->busy.q) < 0)
        err = WEIR_ECLOSED;
    leave(p, &p->end);
    return err < 0 ? err : p->status;
}

weir_err weir_process_signal(weir_ctx *c, weir_process *p, int number)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    (void)weir__ctx_of(c);
    p = process_of(p, __func__);
    weir_err err = p->failed < 0 ? p->failed : weir__waitq_state(&p->busy.q);
    if (err < 0 || p->pid == 0)
        return err;
    err = weir__sys_kill(p->pid, number);
    return err == -EINVAL ? WEIR_EINVALID : err;
}
