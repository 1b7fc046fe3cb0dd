/*
 * A service with a library that has threads of its own: they report to fibers as they should, use
 * what is for fibers as they should not, and outlive the service.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include <weir/weir.h>

static weir_chan *numbers;
static atomic_long sum;
static atomic_ulong refused_at_end;

static weir_err add_up(weir_ctx *c, void *arg)
{
    long number;
    weir_err err;
    (void)arg;
    while ((err = weir_chan_recv(c, numbers, &number)) == WEIR_OK)
        atomic_fetch_add(&sum, number);
    return err;
}

/* It knows nothing of the service's life. */
static void *report_for_ever(void *arg)
{
    const long nothing = 0;
    (void)arg;
    for (;;) {
        if (weir_chan_post(numbers, &nothing) == WEIR_ECLOSED)
            atomic_fetch_add(&refused_at_end, 1);
        sched_yield();
    }
    return NULL;
}

static weir_err start(weir_ctx *app, void *arg)
{
    pthread_t thread;
    (void)arg;
    numbers = weir_chan_new(app, long, 8);
    for (int i = 0; i < 2; i++) {
        weir_err err = WEIR_GO(app, add_up, NULL);
        if (err < 0)
            return err;
    }
    return pthread_create(&thread, NULL, report_for_ever, NULL) == 0 ? WEIR_OK : -EAGAIN;
}

/* --- as it should ------------------------------------------------------------------------- */

static void *report(void *arg)
{
    long last = *(const int64_t *)arg;
    for (long n = 1; n <= last; n++) {
        while (weir_chan_post(numbers, &n) == -EAGAIN)
            sched_yield();
    }
    return NULL;
}

static weir_err join(void *arg)
{
    return pthread_join(*(pthread_t *)arg, NULL) == 0 ? WEIR_OK : -EINVAL;
}

static weir_err reports(weir_ctx *c)
{
    int64_t n = 0;
    pthread_t thread;
    weir_err err = weir_query_param_i64(c, "n", &n);
    if (err < 0)
        return err;
    long goal = atomic_load(&sum) + (long)(n * (n + 1) / 2);
    if (pthread_create(&thread, NULL, report, &n) != 0)
        return -EAGAIN;
    if ((err = weir_offload(c, join, &thread)) < 0)
        return err;
    while (atomic_load(&sum) < goal) {
        if ((err = weir_sleep(c, weir_ms(1))) < 0)
            return err;
    }
    return weir_textf(c, 200, "%ld\n", atomic_load(&sum));
}

/* --- as it should not --------------------------------------------------------------------- */

struct misuse {
    weir_ctx *c;
    weir_db *db;
    weir_tx *tx;
    weir_rows *rows;
    weir_chan *ch;
    int refused;
};

static void *misuse(void *arg)
{
    struct misuse *m = arg;
    int64_t id;
    m->refused += weir_sleep(m->c, weir_ms(1)) == WEIR_ETHREAD;
    m->refused += weir_exec(m->tx, "SELECT 1") == WEIR_ETHREAD;
    m->refused += !weir_rows_next(m->rows, int64_t, &id);
    m->refused += weir_chan_try_send(m->c, m->ch, &m->refused) == WEIR_ETHREAD;
    m->refused += weir_text(m->c, 200, "from a thread\n") == WEIR_ETHREAD;
    m->refused += weir_alloc(m->c, 100) == NULL;
    m->refused += weir_chan_post(m->ch, &m->refused) == WEIR_EINVALID; /* a request's */
    weir_log(m->c, WEIR_LOG_INFO, "said by a thread");
    return NULL;
}

static weir_err misuse_offloaded(void *arg)
{
    (void)misuse(arg);
    return WEIR_OK;
}

static weir_err misuses(weir_ctx *c)
{
    pthread_t thread;
    struct misuse m = {.c = c, .ch = weir_chan_new(c, int, 4)};
    m.db = weir_sqlite_open(c, .path = "none/none.db");
    m.tx = weir_begin(c, m.db);
    m.rows = weir_query(c, m.tx, "SELECT 1");
    if (pthread_create(&thread, NULL, misuse, &m) != 0)
        return -EAGAIN;
    (void)pthread_join(thread, NULL);
    weir_err err = weir_offload(c, misuse_offloaded, &m);
    if (err < 0)
        return err;
    (void)!weir_rows_err(m.rows); /* there is no such database; what is there of it suffices */
    weir_rollback(m.tx);
    weir_error_clear(c);
    return weir_textf(c, 200, "%d refused, %zu sent\n", m.refused, weir_chan_len(m.ch));
}

int main(int argc, char **argv)
{
    weir_app *app = weir_app_new(argc, argv, .name = "library", .workers = 2, .start = start);
    weir_get(app, "/reports", reports);
    weir_get(app, "/misuses", misuses);
    int status = weir_app_run(app);
    unsigned long before = atomic_load(&refused_at_end);
    while (atomic_load(&refused_at_end) < before + 1000)
        sched_yield();
    return status;
}
