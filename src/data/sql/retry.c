/*
 * A transaction that is run again when others were in its way. Each try has a context of its own,
 * so nothing of a try that failed is left: memory, rows, the record of its error.
 */
#include "base/bounds.h"
#include "base/given.h"
#include "data/sql/driver.h"
#include "guard/backoff.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/sized.h"
#include "rt/worker.h"

#define TRIES 5
#define TRIES_MAX 100
#define MS INT64_C(1000000)
#define SEC (1000 * MS)

struct retry {
    const weir_site *site;
    struct weir__ctx *c;
    weir_db *db; /* the handle */
    weir_tx_fn fn;
    void *arg;
    weir_tx_options tx;
    bool may_go_well; /* another time: nothing of this try is left, others were in its way */
};

static bool is_overtaken(weir_err err)
{
    return err == WEIR_ESERIALIZATION || err == WEIR_EDBDEADLOCK;
}

/* The transaction's own error counts also where the function has made another of it. */
static bool may_go_well(const weir_tx *tx, weir_err err)
{
    return !tx->is_commit_unknown && (is_overtaken(err) || is_overtaken(tx->err));
}

static weir_err try_once(struct retry *r)
{
    WEIR_SCOPE(turn, weir__ctx_handle(r->c));
    weir_tx *handle = weir_begin_at(r->site, turn, weir_source_db(r->db), &r->tx);
    const weir_tx *tx = weir__sql_tx_of(handle, "weir_tx_retry");
    weir_err err = tx->err;
    if (err == WEIR_OK)
        err = r->fn(turn, handle, r->arg);
    if (err == WEIR_OK)
        err = tx->is_ended ? tx->err : weir_commit_at(r->site, handle);
    else
        weir_rollback(handle);
    r->may_go_well = err != WEIR_OK && may_go_well(tx, err);
    if (err != WEIR_OK)
        weir__ctx_hand_up_error(weir__ctx_of(turn), r->c);
    return err;
}

static weir_err check_options(struct retry *r, const char *name, const weir_tx_retry_options *given,
                              weir_tx_retry_options *o)
{
    char bytes[300];
    weir_buf mistakes;
    weir_buf_init_fixed(&mistakes, bytes, sizeof bytes);
    struct weir__bounds b = {.kind = "weir_tx_retry", .name = name, .out = &mistakes};
    *o = *given;
    weir__bounds_count(&b, "tries", &o->tries, TRIES, 1, TRIES_MAX);
    weir__bounds_dur(&b, "backoff", &o->backoff, 10 * MS, MS, SEC);
    r->tx = (weir_tx_options){.size = sizeof r->tx,
                              .isolation = o->isolation,
                              .read_only = o->read_only,
                              .deferrable = o->deferrable};
    if (!b.is_bad)
        return WEIR_OK;
    weir_str s = weir_buf_str(&mistakes);
    return weir_raise_at(r->site, weir__ctx_handle(r->c), WEIR_EINVALID, 0, WEIR_STR_FMT,
                         WEIR_STR_ARG(s));
}

/* Before try `nth`; false: that would be too late. */
static bool wait_before(struct retry *r, const weir_tx_retry_options *o, uint32_t nth,
                        struct weir__random *random)
{
    const struct weir__backoff backoff = {.base = o->backoff, .cap = {SEC}};
    weir_dur wait = weir__backoff_wait(&backoff, nth - 1, weir_ns(0), random);
    if (!r->c->is_shielded && weir_time_sub(r->c->deadline, weir_now()).ns <= wait.ns)
        return false;
    return weir_sleep(weir__ctx_handle(r->c), wait) == WEIR_OK;
}

weir_err weir_tx_retry_at(const weir_site *site, weir_ctx *handle, weir_db *db, weir_tx_fn fn,
                          void *arg, const weir_tx_retry_options *options)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(fn, "the function");
    weir_tx_retry_options room, o;
    struct retry r = {.site = site, .db = db, .fn = fn, .arg = arg};
    r.c = weir__ctx_of_at(handle, "weir_tx_retry");
    const char *name = weir__sql_db_of(db, "weir_tx_retry")->name;
    weir_err err =
        check_options(&r, name, weir__options(options, &room, sizeof room, "weir_tx_retry"), &o);
    if (err != WEIR_OK)
        return err;
    struct weir__random random = {.state = (uint64_t)weir_now().ns ^ (uintptr_t)r.c};
    const struct weir_error *before = r.c->error;
    for (uint32_t nth = 1;; nth++) {
        err = try_once(&r);
        if (!r.may_go_well || nth == o.tries || !wait_before(&r, &o, nth, &random))
            return err;
        r.c->error = before; /* of a try that is made again: it was dealt with */
    }
}
