/*
 * Files: what is read and written, what cannot be opened, temporary ones that are gone, and that
 * nothing stays open: whatever fails, whoever closes, and while calls are in progress.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/symbol.h"
#include "os/sys.h"
#include "rt/sim.h"
#include <weir/fiber.h>
#include <weir/file.h>
#include <weir/offload.h>

static char folder[64];

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)

static const char *in_folder(const char *name)
{
    static char paths[4][160];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put(const char *path, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    assert_int_equal(close(fd), 0);
}

static int make_folder(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.30s/weir-file-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    put(in_folder("digits"), "0123456789", 10);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    assert_int_equal(unlink(in_folder("digits")), 0);
    return rmdir(folder); /* nothing else may be there */
}

static int open_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 512; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* --- reading and writing ------------------------------------------------------------------ */

static weir_err reads(weir_ctx *c, void *arg)
{
    char bytes[16] = "";
    (void)arg;
    weir_file *f = weir_file_open(c, in_folder("digits"));
    assert_int_equal(weir_file_err(f), WEIR_OK);
    assert_int_equal(weir_file_size(c, f), 10);
    assert_int_equal(weir_file_read(c, f, bytes, 4), 4);
    assert_int_equal(weir_file_pread(c, f, bytes + 4, 16 - 4, 8), 2);
    assert_int_equal(weir_file_read(c, f, bytes + 6, 10), 6);
    assert_memory_equal(bytes, "012389456789", 12);
    assert_int_equal(weir_file_read(c, f, bytes, 4), 0);
    assert_int_equal(weir_file_pread(c, f, bytes, 4, 100), 0);
    assert_int_equal(weir_file_pread(c, f, bytes, 4, UINT64_MAX), -EINVAL);
    assert_int_equal(weir_file_write(c, f, "x", 1), -EBADF); /* it was opened for reading */
    assert_int_equal(weir_file_close(c, f), -EBADF);         /* that stays */
    assert_int_equal(weir_file_close(c, f), -EBADF);
    assert_int_equal(weir_file_read(c, f, bytes, 4), WEIR_ECLOSED);
    assert_int_equal(weir_file_size(c, f), WEIR_ECLOSED);
    return WEIR_OK;
}

static weir_err writes(weir_ctx *c, void *arg)
{
    char bytes[32] = "";
    const char *path = in_folder("new");
    struct stat st;
    (void)arg;
    weir_file *f = weir_file_open(c, path, .flags = O_RDWR | O_CREAT | O_EXCL, .mode = 0600);
    assert_int_equal(weir_file_write(c, f, "one ", 4), WEIR_OK);
    assert_int_equal(weir_file_write(c, f, "two ", 4), WEIR_OK);
    assert_int_equal(weir_file_pwrite(c, f, "ONE", 3, 0), WEIR_OK);
    assert_int_equal(weir_file_sync(c, f), WEIR_OK);
    assert_int_equal(weir_file_pread(c, f, bytes, sizeof bytes, 0), 8);
    assert_string_equal(bytes, "ONE two ");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    weir_file *again = weir_file_open(c, path, .flags = O_WRONLY | O_CREAT | O_EXCL);
    assert_int_equal(weir_file_err(again), -EEXIST);
    weir_file *end = weir_file_open(c, path, .flags = O_WRONLY | O_APPEND);
    assert_int_equal(weir_file_write(c, end, "three", 5), WEIR_OK);
    assert_int_equal(weir_file_pwrite(c, end, "!", 1, 0), WEIR_OK);
    assert_int_equal(weir_file_size(c, f), 14);
    assert_int_equal(weir_file_read(c, f, bytes, sizeof bytes), 6); /* where the writes ended */
    assert_int_equal(weir_file_close(c, f), WEIR_OK);
    assert_int_equal(unlink(path), 0);
    weir_error_clear(c);
    return WEIR_OK;
}

/* More than is read in place, written piece by piece. */
static weir_err moves_much(weir_ctx *c, void *arg)
{
    enum { MUCH = 5 << 20 };
    (void)arg;
    unsigned char *bytes = weir_alloc(c, MUCH), *back = weir_alloc(c, MUCH);
    for (size_t i = 0; i < MUCH; i++)
        bytes[i] = (unsigned char)(i * 7 >> 3);
    weir_file *f = weir_file_temp(c, .folder = folder);
    assert_int_equal(weir_file_write(c, f, bytes, MUCH), WEIR_OK);
    size_t got = 0;
    for (ssize_t n; (n = weir_file_pread(c, f, back + got, MUCH - got, got)) > 0;)
        got += (size_t)n;
    assert_int_equal(got, MUCH);
    assert_memory_equal(bytes, back, MUCH);
    return WEIR_OK;
}

static void test_files_are_read_and_written(void **state)
{
    (void)state;
    int before = open_fds();
    SIM(reads, NULL);
    SIM(writes, NULL);
    SIM(moves_much, NULL);
    assert_int_equal(open_fds(), before);
}

/* --- what cannot be opened ---------------------------------------------------------------- */

static void refuses(weir_ctx *c, const char *path, weir_err err, const char *why)
{
    char byte;
    weir_file *f = weir_file_open(c, path);
    assert_non_null(f);
    assert_int_equal(weir_file_err(f), err);
    assert_int_equal(weir_file_read(c, f, &byte, 1), err);
    assert_int_equal(weir_file_pwrite(c, f, "x", 1, 0), err);
    assert_int_equal(weir_file_sync(c, f), err);
    assert_int_equal(weir_file_size(c, f), err);
    assert_int_equal(weir_file_close(c, f), err);
    const weir_error *record = weir_last_error(c);
    assert_non_null(record);
    assert_int_equal(record->code, err);
    assert_non_null(strstr(record->message.ptr, path));
    assert_non_null(strstr(record->message.ptr, why));
    assert_string_equal(record->site->func, "refuses");
    weir_error_clear(c);
}

static weir_err cannot_open(weir_ctx *c, void *arg)
{
    (void)arg;
    refuses(c, in_folder("nothing"), -ENOENT, "");
    refuses(c, folder, -EISDIR, "");
    refuses(c, "/dev/zero", WEIR_EINVALID, "no plain file");
    const char *pipe = in_folder("pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    refuses(c, pipe, WEIR_EINVALID, "no plain file");
    assert_int_equal(unlink(pipe), 0);
    weir_file *f = weir_file_temp(c, .folder = in_folder("nothing"));
    assert_int_equal(weir_file_write(c, f, "x", 1), -ENOENT);
    weir_error_clear(c);
    WEIR_SCOPE(done, c);
    weir_cancel(done);
    assert_int_equal(weir_file_err(weir_file_open(done, in_folder("digits"))), WEIR_ECANCELED);
    f = weir_file_open(c, in_folder("digits"));
    char byte;
    assert_int_equal(weir_file_read(done, f, &byte, 1), WEIR_ECANCELED);
    assert_int_equal(weir_file_read(c, f, &byte, 1), 1); /* the file is as good as before */
    (void)weir_ctx_close(done);
    return WEIR_OK;
}

static void test_what_cannot_be_opened_says_why(void **state)
{
    (void)state;
    int before = open_fds();
    SIM(cannot_open, NULL);
    assert_int_equal(open_fds(), before);
}

/* --- temporary files ---------------------------------------------------------------------- */

static int entries(void)
{
    int n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n - 2;
}

static weir_err uses_temp(weir_ctx *c, void *arg)
{
    char bytes[16];
    (void)arg;
    weir_file *f = weir_file_temp(c, .folder = folder, .bytes_max = 10);
    assert_int_equal(weir_file_write(c, f, "0123456", 7), WEIR_OK);
    assert_int_equal(entries(), 1); /* "digits" alone: this one has no name */
    assert_int_equal(weir_file_pread(c, f, bytes, sizeof bytes, 0), 7);
    assert_int_equal(weir_file_pwrite(c, f, "abc", 3, 7), WEIR_OK);
    assert_int_equal(weir_file_write(c, f, "defg", 4), WEIR_ETOOLARGE);
    assert_int_equal(weir_file_write(c, f, "", 0), WEIR_ETOOLARGE); /* a part is missing: no more */
    assert_int_equal(weir_file_size(c, f), WEIR_ETOOLARGE);
    assert_int_equal(weir_file_close(c, f), WEIR_ETOOLARGE);
    weir_error_clear(c);
    return WEIR_OK;
}

/* As on a file system that has no files without names. */
static weir_err uses_named(weir_ctx *c, void *arg)
{
    (void)arg;
    weir__sys_fail_nth(1, EOPNOTSUPP);
    weir_file *f = weir_file_temp(c, .folder = folder);
    weir__sys_fail_nth(0, 0);
    assert_int_equal(weir_file_write(c, f, "gone", 4), WEIR_OK);
    assert_int_equal(entries(), 1);
    assert_int_equal(weir_file_size(c, f), 4);
    return WEIR_OK;
}

static void test_temporary_files_have_no_name(void **state)
{
    (void)state;
    int before = open_fds();
    SIM(uses_temp, NULL);
    SIM(uses_named, NULL);
    assert_int_equal(open_fds(), before);
    assert_int_equal(entries(), 1);
}

/* --- failures everywhere ------------------------------------------------------------------ */

struct plan {
    uint64_t alloc, sys;
    int err;
    bool is_named;
    bool is_whole; /* nothing failed */
};

/* All calls, each of whose failures must be seen in a result, in a context of their own. */
static weir_err one_of_each(weir_ctx *c, void *arg)
{
    struct plan *p = arg;
    char bytes[16];
    WEIR_SCOPE(turn, c);
    uint64_t sys = weir__sys_count(), allocs = weir__alloc_stats().allocs;
    if (p->is_named)
        weir__sys_fail_nth(1, EOPNOTSUPP);
    weir__alloc_fail_nth(p->alloc);
    if (p->sys != 0)
        weir__sys_fail_nth(p->sys, p->err);
    weir_file *f = weir_file_open(turn, in_folder("digits"));
    ssize_t n = weir_file_read(turn, f, bytes, 4);
    weir_err err = n < 0 ? (weir_err)n : WEIR_OK;
    weir_file *t = weir_file_temp(turn, .folder = folder);
    if (err == WEIR_OK)
        err = weir_file_write(turn, t, bytes, 4);
    if (err == WEIR_OK)
        err = weir_file_sync(turn, t);
    if (err == WEIR_OK && (n = weir_file_pread(turn, t, bytes + 8, 8, 0)) != 4)
        err = n < 0 ? (weir_err)n : WEIR_EFAIL;
    weir_err closed = weir_file_close(turn, t);
    p->is_whole = err == WEIR_OK && closed == WEIR_OK;
    if (p->is_whole)
        assert_memory_equal(bytes + 8, "0123", 4);
    (void)weir_ctx_close(turn); /* closes the other */
    p->is_whole &= (p->sys == 0 || weir__sys_count() - sys < p->sys) &&
                   (p->alloc == 0 || weir__alloc_stats().allocs - allocs < p->alloc);
    weir__alloc_fail_nth(0);
    weir__sys_fail_nth(0, 0);
    return WEIR_OK;
}

static void test_whatever_fails_nothing_stays(void **state)
{
    (void)state;
    static const int errs[] = {EIO, EMFILE, ENOSPC, EACCES, EOPNOTSUPP, EAGAIN, EEXIST};
    int before = open_fds();
    for (size_t e = 0; e < sizeof errs / sizeof errs[0]; e++) {
        struct plan p = {.sys = 0, .err = errs[e]};
        do {
            p.sys++;
            SIM(one_of_each, &p);
            assert_int_equal(open_fds(), before);
            assert_int_equal(entries(), 1);
            assert_true(p.sys < 50);
        } while (!p.is_whole);
        assert_true(p.sys > 8);
    }
    struct plan p = {.alloc = 0};
    do {
        p.alloc++;
        SIM(one_of_each, &p);
        assert_int_equal(open_fds(), before);
        assert_true(p.alloc < 50);
    } while (!p.is_whole);
}

/* --- many --------------------------------------------------------------------------------- */

/* B4: a hundred thousand, one after another, where sixty-four descriptors are all there are. */
static weir_err opens_many(weir_ctx *c, void *arg)
{
    int count = *(int *)arg;
    char byte;
    for (int i = 0; i < count; i++) {
        WEIR_WITH(turn, c) {
            weir_file *f = weir_file_open(turn, in_folder("digits"));
            assert_int_equal(weir_file_pread(turn, f, &byte, 1, (uint64_t)i % 10), 1);
            assert_int_equal(byte, '0' + i % 10);
        }
    }
    return WEIR_OK;
}

static void run_for_real(unsigned workers, unsigned threads, weir_fiber_fn fn, void *arg)
{
    struct weir__runtime_options options = {
        .workers = workers, .offload_threads = threads, .stall = weir_ns(-1)};
    char message[128];
    weir_err err;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, fn, arg), WEIR_OK);
    weir__runtime_free(rt);
}

static void test_B4_a_loop_needs_one_descriptor(void **state)
{
    (void)state;
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 64;
    int at_first = open_fds(), simulated = 100000, on_threads = 2000;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    SIM(opens_many, &simulated);
    run_for_real(1, 2, opens_many, &on_threads);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(open_fds(), at_first);
}

/* --- calls in progress, on threads -------------------------------------------------------- */

/* Keeps the pool's only thread until the test lets it go. */
struct gate {
    sem_t is_in, go;
};

static weir_err hold_thread(void *arg)
{
    struct gate *g = arg;
    sem_post(&g->is_in);
    while (sem_wait(&g->go) != 0) {
    }
    return WEIR_OK;
}

static weir_err hold(weir_ctx *c, void *arg)
{
    return weir_offload(c, hold_thread, arg);
}

static void close_gate(weir_ctx *c, struct gate *g)
{
    sem_init(&g->is_in, 0, 0);
    sem_init(&g->go, 0, 0);
    assert_int_equal(WEIR_GO(c, hold, g), WEIR_OK);
    while (sem_trywait(&g->is_in) != 0)
        assert_int_equal(weir_yield(c), WEIR_OK);
}

struct reader {
    weir_file *f;
    ssize_t n;
    char bytes[16];
};

/* The bytes seem not to be in memory: the read is queued behind the gate. */
static weir_err read_slowly(weir_ctx *c, void *arg)
{
    struct reader *r = arg;
    weir__sys_fail_nth(1, EAGAIN);
    r->n = weir_file_read(c, r->f, r->bytes, sizeof r->bytes);
    return WEIR_OK;
}

static weir_err read_too(weir_ctx *c, void *arg)
{
    return (weir_err)weir_file_read(c, arg, (char[1]){0}, 1);
}

static weir_err open_gate_later(weir_ctx *c, void *arg)
{
    struct gate *g = arg;
    for (int i = 0; i < 10; i++)
        assert_int_equal(weir_yield(c), WEIR_OK);
    sem_post(&g->go);
    return WEIR_OK;
}

/* A file ends, with its context and by hand, while a fiber of another context reads it. */
static weir_err ends_under_a_call(weir_ctx *app, void *arg)
{
    bool by_hand = *(bool *)arg;
    (void)app;
    weir_ctx *c = weir__ctx_handle(weir__ctx_new(weir__self->root, weir_never(), 0, NULL));
    WEIR_SCOPE(owner, c);
    WEIR_SCOPE(g, c);
    struct gate gate;
    struct reader r = {.f = weir_file_open(owner, in_folder("digits")), .n = -1};
    assert_int_equal(weir_file_err(r.f), WEIR_OK);
    close_gate(g, &gate);
    assert_int_equal(WEIR_GO(g, read_slowly, &r), WEIR_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(weir_yield(c), WEIR_OK);
    assert_int_equal(weir_protect(c, read_too, r.f), WEIR_EPANIC); /* two in sequence */
    weir_error_clear(c);
    assert_int_equal(WEIR_GO(g, open_gate_later, &gate), WEIR_OK);
    if (by_hand)
        assert_int_equal(weir_file_close(c, r.f), WEIR_OK);
    (void)weir_ctx_close(owner);
    assert_int_equal(r.n, 10); /* it was waited for, and had its file */
    assert_int_equal(weir_join_as(g, WEIR_JOIN_ALL), WEIR_OK);
    (void)weir_ctx_close(g);
    weir__ctx_end(weir__ctx_of(c));
    return WEIR_OK;
}

static void test_calls_in_progress_are_waited_for(void **state)
{
    (void)state;
    bool by_hand[] = {false, true};
    int before = open_fds();
    for (int i = 0; i < 2; i++)
        run_for_real(1, 1, ends_under_a_call, &by_hand[i]);
    weir__symbols_forget(); /* the misuse was told with its stack: the program was looked into */
    assert_int_equal(open_fds(), before);
}

/* A write that was given up in the queue leaves no hole; one that was cut short stays an error. */
static weir_err gives_up_writes(weir_ctx *app, void *arg)
{
    enum { MUCH = 48 << 20 };
    char bytes[16] = "";
    (void)app, (void)arg;
    weir_ctx *c = weir__ctx_handle(weir__ctx_new(weir__self->root, weir_never(), 0, NULL));
    WEIR_SCOPE(g, c);
    struct gate gate;
    weir_file *f = weir_file_temp(c, .folder = folder);
    assert_int_equal(weir_file_write(c, f, "one ", 4), WEIR_OK);
    close_gate(g, &gate);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(5));
    assert_int_equal(weir_file_write(hasty, f, "never ", 6), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(hasty);
    sem_post(&gate.go);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(weir_file_write(c, f, "two", 3), WEIR_OK);
    assert_int_equal(weir_file_pread(c, f, bytes, sizeof bytes, 0), 7);
    assert_string_equal(bytes, "one two");
    char *much = weir_alloc(c, MUCH);
    hasty = weir_ctx_enter(c, .timeout = weir_ms(2));
    weir_err err = weir_file_write(hasty, f, much, MUCH);
    assert_true(err == WEIR_OK || err == WEIR_ETIMEDOUT);
    assert_true(err == weir_file_err(f) || weir_file_size(c, f) == 7);
    (void)weir_ctx_close(g);
    weir__ctx_end(weir__ctx_of(c));
    return WEIR_OK;
}

static void test_a_write_is_whole_or_an_error(void **state)
{
    (void)state;
    run_for_real(1, 1, gives_up_writes, NULL);
    assert_int_equal(entries(), 1);
}

/* --- one file of the application, all workers --------------------------------------------- */

#define LINES 300
#define LINE "a line of one fiber, whole\n"

struct shared_file {
    weir_file *f;
    atomic_int failed;
};

static weir_err append_lines(weir_ctx *c, void *arg)
{
    struct shared_file *s = arg;
    for (int i = 0; i < LINES; i++)
        if (weir_file_write(c, s->f, LINE, sizeof LINE - 1) < 0)
            atomic_fetch_add(&s->failed, 1);
    return WEIR_OK;
}

struct starting {
    struct shared_file s;
    atomic_int running;
};

static weir_err append_on_worker(weir_ctx *c, void *arg)
{
    struct starting *st = *(struct starting **)arg;
    weir_err err = append_lines(c, &st->s);
    atomic_fetch_sub(&st->running, 1);
    return err;
}

static void start_on_worker(struct weir__worker *w, void *arg)
{
    struct starting *st = arg;
    weir_ctx *root = weir__ctx_handle(w->root);
    for (int i = 0; i < 4; i++)
        assert_int_equal(weir_detach(root, append_on_worker, &st, sizeof st), WEIR_OK);
}

static weir_err shares(weir_ctx *app, void *arg)
{
    struct starting st = {.running = 8};
    char bytes[sizeof LINE];
    (void)arg;
    const char *path = in_folder("log");
    st.s.f = weir_file_open(app, path, .flags = O_RDWR | O_CREAT | O_APPEND);
    struct weir__ctx *c = weir__ctx_new(weir__self->root, weir_never(), 0, NULL);
    assert_int_equal(weir__on_each_worker(c, start_on_worker, &st, weir_sec(10)), WEIR_OK);
    while (atomic_load(&st.running) > 0)
        assert_int_equal(weir_yield(weir__ctx_handle(c)), WEIR_OK);
    assert_int_equal(st.s.failed, 0);
    assert_int_equal(weir_file_size(app, st.s.f), 8 * LINES * (sizeof LINE - 1));
    for (uint64_t i = 0; i < 8 * LINES; i++) {
        ssize_t n = weir_file_pread(app, st.s.f, bytes, sizeof LINE - 1, i * (sizeof LINE - 1));
        assert_int_equal(n, sizeof LINE - 1);
        assert_memory_equal(bytes, LINE, sizeof LINE - 1);
    }
    assert_int_equal(unlink(path), 0);
    weir__ctx_end(c);
    return WEIR_OK; /* the application's context closes it */
}

static void test_all_workers_append_to_one_file(void **state)
{
    (void)state;
    int before = open_fds();
    run_for_real(2, 2, shares, NULL);
    assert_int_equal(open_fds(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_read_and_written),
        cmocka_unit_test(test_what_cannot_be_opened_says_why),
        cmocka_unit_test(test_temporary_files_have_no_name),
        cmocka_unit_test(test_whatever_fails_nothing_stays),
        cmocka_unit_test(test_B4_a_loop_needs_one_descriptor),
        cmocka_unit_test(test_calls_in_progress_are_waited_for),
        cmocka_unit_test(test_a_write_is_whole_or_an_error),
        cmocka_unit_test(test_all_workers_append_to_one_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
