/*
 * Certificates that change while the service runs: read again when somebody asks (SIGHUP), and
 * looked at every minute, for whoever renews them and tells nobody. A set that cannot be used is an
 * error in the log, once for what is wrong with it, and a number; what was there stays.
 *
 * The record belongs to the context, whose end takes it off the table of what is read again.
 */
#include "net/tls_inside.h"

#if WEIR_TLS

#include <string.h>

#include "base/assert.h"
#include "rt/context.h"
#include "rt/offload.h"
#include "rt/owned.h"
#include "rt/reload.h"
#include <weir/fiber.h>
#include <weir/log.h>
#include <weir/sync.h>
#include <weir/timer.h>

enum { LOOK_S = 60, WHY_BYTES = 320 };

struct watched {
    struct weir__owned owned;
    struct weir__tls_server *server;
    struct weir__reload reload;
    weir_mutex *reading;  /* T12: held by who reads; of what stands below too */
    char told[WHY_BYTES]; /* what was last wrong; empty: nothing is */
};

/* What an offload thread does. */
struct reading {
    struct weir__tls_server *server;
    bool is_new;
    weir_buf why;
    char bytes[WHY_BYTES];
};

static weir_err read_again(void *arg)
{
    struct reading *r = arg;
    return weir__tls_server_reload(r->server, &r->is_new, &r->why);
}

static weir_err note(struct watched *w, struct reading *r, weir_err err)
{
    weir_str why = weir_buf_str(&r->why);
    if (err == WEIR_OK) {
        w->told[0] = '\0';
        if (r->is_new)
            weir__tls_count(&weir__tls_numbers.reloads);
        return err;
    }
    weir__tls_count(&weir__tls_numbers.reloads_refused);
    if (strlen(w->told) == why.len && memcmp(w->told, why.ptr, why.len) == 0)
        return err;
    WEIR_ASSERT(why.len < sizeof w->told, "T10: a reason fits where it is kept, with its NUL");
    memcpy(w->told, why.ptr, why.len);
    w->told[why.len] = '\0';
    weir_log(NULL, WEIR_LOG_ERROR, "certificates: those that were there stay: " WEIR_STR_FMT,
             WEIR_STR_ARG(why));
    return err;
}

/* Who asks while they are being read has them read once more: they may be newer now. */
static weir_err read_now(weir_ctx *c, struct watched *w, struct reading *r)
{
    weir_err err = weir_lock(c, w->reading);
    if (err < 0)
        return err;
    *r = (struct reading){.server = w->server};
    weir_buf_init_fixed(&r->why, r->bytes, sizeof r->bytes - 1);
    err = weir_offload(c, read_again, r);
    err = weir_check(c) < 0 ? weir_check(c) : note(w, r, err);
    weir_unlock(c, w->reading);
    return err;
}

static weir_err on_reload(weir_ctx *c, void *arg)
{
    struct reading r = {.server = NULL};
    weir_err err = read_now(c, arg, &r);
    if (err < 0 && r.why.len > 0)
        return weir_raise(c, err, WEIR_STR_FMT, WEIR_STR_ARG(weir_buf_str(&r.why)));
    return err;
}

static weir_err on_minute(weir_ctx *c, void *arg)
{
    struct reading r = {.server = NULL};
    if (read_now(c, arg, &r) == WEIR_OK && r.is_new)
        weir_log(c, WEIR_LOG_INFO, "certificates have changed, and are served from now on");
    return WEIR_OK;
}

static void release(struct weir__owned *o)
{
    weir__reload_remove(&WEIR_CONTAINER(o, struct watched, owned)->reload);
}

static const struct weir__owned_type owned_type = {.name = "certificates", .release = release};

weir_err weir__tls_server_watch(struct weir__tls_server *server, weir_ctx *c)
{
    struct weir__ctx *owner = weir__ctx_local(weir__ctx_of(c));
    struct watched *w = weir__ctx_object(owner, sizeof *w);
    if (w == NULL)
        return -ENOMEM;
    w->server = server;
    w->reading = weir_mutex_new(weir__ctx_handle(owner));
    weir__reload_add(&w->reload, "certificates", on_reload, w);
    weir__own(owner, &w->owned, &owned_type, WEIR_HERE);
    return weir_timer_every(weir__ctx_handle(owner), weir_sec(LOOK_S), on_minute, w, NULL);
}

#endif
