/*
 * The way of a log line: a ring of 1 MiB that a thread of its own empties, so that who logs never
 * waits for a disk or a terminal. Before the writer runs, after it was stopped and in the
 * simulation, who logs writes.
 *
 * Owns the ring and the writer's thread, once a process. When the ring is full lines are dropped
 * and counted; debug and info lines already when it is four fifths full, so that warnings still
 * find room. The next line that fits is preceded by one that tells how many were lost.
 *
 * Two hard things. The price of waking the writer, a system call: it is woken only when it sleeps
 * without an end, which it does when it found the ring empty twice; in between it naps for 10 ms
 * and gathers lines. And a sink that takes nothing (a full pipe, a disk that stalls) holds the
 * writer in the kernel, where nobody can reach it: whoever waits for the writer does so for a time,
 * and then leaves it there, with what is in the ring. A writer that has merely not had a processor
 * is not left: it has the last lines.
 */
#include "rt/log.h"

#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/lock.h"
#include "os/sys.h"
#include "os/thread.h"
#include "rt/worker.h"

#define RING WEIR__LOG_RING_BYTES
#define NAP_NS 10000000
#define SINK_PATIENCE_MS 1000 /* for a sink that is full; then what it did not take is dropped */
#define WRITER_STACK (256u << 10)

enum writer_state {
    NO_WRITER,
    RUNNING,
    STOPPED,
    STUCK /* it was left in the kernel: lines are dropped, for who writes would be held as well */
};

static struct {
    struct weir__lock lock; /* all but the atomics */
    uint64_t head, tail;    /* bytes written by the writer, put by all, since the start */
    uint64_t lines, dropped, dropped_unsaid;
    weir_buf *capture;
    void (*see)(weir_str line, void *arg); /* weir_log_watch's */
    void *see_arg;
    bool is_held;
    bool is_in_sink; /* the writer has gone to the kernel with lines, and is not back */
    enum writer_state state;
    pthread_t thread;
    atomic_int fd;
    atomic_int least;
    atomic_bool is_asleep;
    sem_t work;
    char ring[RING];
} all = {.fd = 2, .least = WEIR_LOG_INFO};

bool weir__log_wants(weir_log_level level)
{
    return (int)level >= atomic_load_explicit(&all.least, memory_order_relaxed);
}

void weir__log_set_level(weir_log_level least)
{
    atomic_store_explicit(&all.least, (int)least, memory_order_relaxed);
}

void weir__log_set_fd(int fd)
{
    atomic_store_explicit(&all.fd, fd, memory_order_relaxed);
}

/* --- the sink ----------------------------------------------------------------------------- */

/* Writes all of it; false when the sink does not take it. Blocks the thread. */
static bool write_out(const char *bytes, size_t n)
{
    int fd = atomic_load_explicit(&all.fd, memory_order_relaxed);
    while (n > 0) {
        ssize_t done = weir__sys_write(fd, bytes, n);
        if (done == -EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            if (poll(&p, 1, SINK_PATIENCE_MS) <= 0)
                return false;
            continue;
        }
        if (done <= 0)
            return false;
        WEIR_ASSERT((size_t)done <= n, "D3: a sink takes no more than it is given");
        bytes += done;
        n -= (size_t)done;
    }
    return true;
}

static size_t count_lines(const char *bytes, size_t n)
{
    size_t lines = 0;
    for (const char *end = bytes + n; (bytes = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL;
         bytes++)
        lines++;
    return lines;
}

/*
 * Writes what lies at the head of the ring, up to its edge. False: there is nothing, or it is held.
 */
static bool write_some(void)
{
    weir__lock_take(&all.lock);
    uint64_t head = all.head;
    size_t n = all.is_held ? 0 : (size_t)(all.tail - head);
    all.is_in_sink = n > 0;
    weir__lock_give(&all.lock);
    size_t at = head % RING;
    if (n > RING - at)
        n = RING - at;
    if (n == 0)
        return false;
    WEIR_ASSERT(at + n <= RING, "D1: what is written at once ends at the ring's edge");
    bool is_written = write_out(all.ring + at, n);
    size_t lost = is_written ? 0 : count_lines(all.ring + at, n);
    weir__lock_take(&all.lock);
    WEIR_ASSERT(all.head == head, "D4: one writer alone takes from the ring");
    all.head += n;
    WEIR_ASSERT(all.head <= all.tail, "D1: what is written was put");
    all.dropped += lost;
    all.is_in_sink = false;
    weir__lock_give(&all.lock);
    return true;
}

/* --- the writer --------------------------------------------------------------------------- */

static void nap(void)
{
    struct timespec until = weir__timespec(weir_time_add(weir__clock(), weir_ns(NAP_NS)));
    sem_clockwait(&all.work, CLOCK_MONOTONIC, &until);
}

static enum writer_state state(void)
{
    weir__lock_take(&all.lock);
    enum writer_state s = all.state;
    weir__lock_give(&all.lock);
    return s;
}

/* Sleeps until there is a line; looks once more after it said so. */
static void sleep_until_woken(void)
{
    atomic_store(&all.is_asleep, true);
    if (!write_some() && state() == RUNNING)
        sem_wait(&all.work);
    atomic_store(&all.is_asleep, false);
}

static void *writer(void *arg)
{
    (void)arg;
    while (state() == RUNNING) {
        bool any = false;
        while (write_some())
            any = true;
        if (any)
            nap();
        else
            sleep_until_woken();
    }
    while (write_some()) {
    }
    WEIR_ASSERT(state() != NO_WRITER, "D4: a writer that ends was stopped, or left");
    return NULL;
}

weir_err weir__log_start(void)
{
    weir__lock_take(&all.lock);
    bool is_mine = all.state == NO_WRITER;
    if (is_mine) {
        WEIR_ASSERT(all.head == all.tail, "D4: nobody puts a line where no writer is");
        sem_init(&all.work, 0, 0);
        all.state = RUNNING;
    }
    weir__lock_give(&all.lock);
    if (!is_mine)
        return WEIR_OK;
    weir_err err =
        weir__thread_start(&all.thread, WEIR__THREAD_OWN, "weir-log", WRITER_STACK, writer, NULL);
    if (err == WEIR_OK)
        return WEIR_OK;
    weir__lock_take(&all.lock);
    all.state = STOPPED; /* who logs goes on writing */
    weir__lock_give(&all.lock);
    return err;
}

/* --- who logs ----------------------------------------------------------------------------- */

static void put(const char *bytes, size_t n)
{
    WEIR_ASSERT(n <= RING - (size_t)(all.tail - all.head), "D1: what is put has room in the ring");
    size_t at = all.tail % RING, first = n < RING - at ? n : RING - at;
    memcpy(all.ring + at, bytes, first);
    memcpy(all.ring, bytes + first, n - first);
    all.tail += n;
    all.lines++;
}

/* Tells how many lines were lost, if that fits together with `n` bytes. Under the lock. */
static void put_loss(size_t n)
{
    struct weir__log_line l;
    WEIR_ASSERT(all.dropped_unsaid > 0 && all.dropped_unsaid <= all.dropped,
                "D3: of the lines that were lost each is told of once");
    weir__log_begin(&l, WEIR_LOG_WARN, WEIR_S("log lines dropped"), NULL, NULL);
    weir__log_int(&l, "count", (int64_t)all.dropped_unsaid);
    weir_buf_puts(&l.out, WEIR_S("}\n"));
    if (RING - (all.tail - all.head) < n + l.out.len)
        return;
    put(l.out.ptr, l.out.len);
    all.dropped_unsaid = 0;
}

/* Puts a line into the ring, or drops it. True when the writer is to be woken. Under the lock. */
static bool enqueue(const struct weir__log_line *l)
{
    size_t n = l->out.len, used = (size_t)(all.tail - all.head);
    size_t limit = l->level < WEIR_LOG_WARN ? RING / 5 * 4 : RING;
    WEIR_ASSERT(n <= WEIR__LOG_LINE_MAX, "D2: a line is no longer than one may be");
    if (used + n > limit) {
        all.dropped++;
        all.dropped_unsaid++;
        return false;
    }
    if (all.dropped_unsaid > 0)
        put_loss(n);
    put(l->out.ptr, n);
    bool is_half_full = used <= RING / 2 && used + n > RING / 2;
    return is_half_full || atomic_exchange_explicit(&all.is_asleep, false, memory_order_relaxed);
}

static void write_directly(const struct weir__log_line *l)
{
    bool is_written = write_out(l->out.ptr, l->out.len);
    weir__lock_take(&all.lock);
    all.lines += is_written;
    all.dropped += !is_written;
    weir__lock_give(&all.lock);
}

/* Only a running service needs the writer: a worker logs, and not in the simulation. */
static bool needs_writer(void)
{
    return weir__self != NULL && !weir__self->poller.ops->is_virtual;
}

/* Under the lock. False: who logs writes. */
static bool hand_on(const struct weir__log_line *l, bool *wake)
{
    WEIR_ASSERT(l->out.len > 0 && l->out.ptr[l->out.len - 1] == '\n', "D2: a line has its end");
    if (all.see != NULL)
        all.see((weir_str){l->out.ptr, l->out.len - 1}, all.see_arg);
    if (all.capture != NULL) {
        weir_buf_add(all.capture, l->out.ptr, l->out.len);
        all.lines++;
    } else if (all.state == RUNNING) {
        *wake = enqueue(l);
    } else if (all.state == STUCK) {
        all.dropped++;
    } else {
        return false;
    }
    return true;
}

static void submit(const struct weir__log_line *l)
{
    bool wake = false;
    weir__lock_take(&all.lock);
    if (all.state == NO_WRITER && all.capture == NULL && needs_writer()) {
        weir__lock_give(&all.lock);
        (void)weir__log_start();
        weir__lock_take(&all.lock);
    }
    bool is_done = hand_on(l, &wake);
    weir__lock_give(&all.lock);
    if (wake)
        sem_post(&all.work);
    if (!is_done)
        write_directly(l);
}

static void finish(struct weir__log_line *l)
{
    weir_buf *out = &l->out;
    WEIR_ASSERT(out->ptr == l->bytes && out->len > 0, "D2: a line begins before it ends");
    if (l->is_cut)
        weir_buf_puts(out, WEIR_S(",\"cut\":true"));
    weir_buf_puts(out, WEIR_S("}\n"));
}

void weir__log_end(struct weir__log_line *l)
{
    if (!weir__log_wants(l->level))
        return;
    finish(l);
    submit(l);
}

void weir__log_last(struct weir__log_line *l)
{
    /* A pipe that has room at all has room for a line: it does not block. */
    struct pollfd p = {.fd = atomic_load_explicit(&all.fd, memory_order_relaxed),
                       .events = POLLOUT};
    finish(l);
    WEIR_ASSERT(l->out.ptr[l->out.len - 1] == '\n', "D2: a line has its end");
    if (poll(&p, 1, SINK_PATIENCE_MS) > 0)
        (void)write_out(l->out.ptr, l->out.len);
}

void weir_log_watch(void (*see)(weir_str line, void *arg), void *arg)
{
    weir__lock_take(&all.lock);
    all.see = see;
    all.see_arg = arg;
    weir__lock_give(&all.lock);
}

/* --- ends and tests ----------------------------------------------------------------------- */

/* Who holds the lock may be a callback that waits against its promise. */
static bool take_lock_by(weir_time until)
{
    while (!weir__lock_try(&all.lock)) {
        if (weir__clock().ns > until.ns)
            return false;
        sched_yield();
    }
    return true;
}

/* True when all up to `goal` is written, or will not be by a writer. */
static bool is_written_to(uint64_t goal, weir_time until)
{
    if (!take_lock_by(until))
        return false;
    WEIR_ASSERT(goal <= all.tail, "D1: what is waited for was put");
    bool is_written = all.state != RUNNING || all.head >= goal;
    weir__lock_give(&all.lock);
    return is_written;
}

bool weir__log_flush(weir_dur patience)
{
    static const struct timespec step = {.tv_nsec = 1000000};
    weir_time until = weir_time_add(weir__clock(), patience);
    if (!take_lock_by(until))
        return false;
    uint64_t goal = all.tail;
    bool is_running = all.state == RUNNING;
    weir__lock_give(&all.lock);
    while (is_running && !is_written_to(goal, until)) {
        if (weir__clock().ns > until.ns)
            return false;
        sem_post(&all.work);
        nanosleep(&step, NULL);
    }
    return true;
}

/* A pipe says whether it has room; a file says so always, be its disk stalled or not. */
static bool is_pipe_with_room(void)
{
    struct stat st;
    struct pollfd p = {.fd = atomic_load_explicit(&all.fd, memory_order_relaxed),
                       .events = POLLOUT};
    bool is_pipe = fstat(p.fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
    return is_pipe && poll(&p, 1, 0) > 0 && (p.revents & POLLOUT) != 0;
}

/*
 * What a writer waits for that has not written: its sink, or a processor. On a busy machine the
 * second one takes as long as the first may, and who has not had it loses nothing.
 */
static bool is_held_by_sink(void)
{
    weir__lock_take(&all.lock);
    bool is_in_sink = all.is_in_sink;
    weir__lock_give(&all.lock);
    return is_in_sink && !is_pipe_with_room();
}

bool weir__log_stop(weir_dur patience)
{
    bool is_written;
    do
        is_written = weir__log_flush(patience);
    while (!is_written && !is_held_by_sink());
    weir__lock_take(&all.lock);
    bool is_running = all.state == RUNNING;
    if (is_running)
        all.state = is_written ? STOPPED : STUCK;
    all.is_held = false;
    weir__lock_give(&all.lock);
    if (!is_running)
        return is_written;
    sem_post(&all.work);
    if (!is_written) {
        pthread_detach(all.thread);
        return false;
    }
    pthread_join(all.thread, NULL);
    WEIR_ASSERT(all.head == all.tail, "D4: a writer that ends has written all that was put");
    return true;
}

void weir__log_last_words(struct weir__log_line *l, weir_dur patience)
{
    bool wake = false;
    weir_time until = weir_time_add(weir__clock(), patience);
    weir_buf_puts(&l->out, WEIR_S("}\n"));
    if (!take_lock_by(until))
        return;
    bool is_running = all.state == RUNNING;
    if (is_running)
        (void)hand_on(l, &wake);
    weir__lock_give(&all.lock);
    if (is_running)
        (void)weir__log_flush(weir_time_sub(until, weir__clock()));
}

struct weir__log_stats weir__log_stats(void)
{
    weir__lock_take(&all.lock);
    WEIR_ASSERT(all.tail - all.head <= RING, "D1: no more waits than the ring has");
    struct weir__log_stats s = {all.lines, all.dropped, (size_t)(all.tail - all.head)};
    weir__lock_give(&all.lock);
    return s;
}

void weir__log_capture(weir_buf *into)
{
    weir__lock_take(&all.lock);
    all.capture = into;
    weir__lock_give(&all.lock);
}

void weir__log_hold(bool hold)
{
    weir__lock_take(&all.lock);
    all.is_held = hold;
    bool is_running = all.state == RUNNING;
    weir__lock_give(&all.lock);
    if (is_running)
        sem_post(&all.work);
}
