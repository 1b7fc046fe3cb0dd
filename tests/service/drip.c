/*
 * A service that leaks a little: one request in --every leaves something behind (--what), which no
 * context could know of. What the soak's judge must find.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

#define MEMORY_BYTES 65536

struct drip {
    int64_t every;
    const char *what;
    weir_chan *never;
    _Atomic uint64_t requests;
};
WEIR_HANDLE(drip, struct drip);

static weir_err wait_for_ever(weir_ctx *c, void *arg)
{
    char none;
    return weir_chan_recv(c, *(weir_chan **)arg, &none);
}

/* Nobody finds these again. */
static weir_err leak(weir_ctx *c, struct drip *d)
{
    if (strcmp(d->what, "memory") == 0) {
        char *bytes = malloc(MEMORY_BYTES);
        if (bytes != NULL)
            memset(bytes, 1, MEMORY_BYTES);
        __asm__ volatile("" : : "r"(bytes) : "memory");
        return WEIR_OK;
    }
    if (strcmp(d->what, "fiber") == 0)
        return weir_detach(c, wait_for_ever, &d->never, sizeof d->never, .timeout = weir_hour(1));
    return open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0 ? WEIR_OK : -errno;
}

static weir_err serve(weir_ctx *c)
{
    struct drip *d = drip(c);
    if (atomic_fetch_add(&d->requests, 1) % (uint64_t)d->every == 0) {
        weir_err err = leak(c, d);
        if (err < 0)
            return err;
    }
    return weir_text(c, 200, "drip\n");
}

static weir_err start(weir_ctx *c, void *arg)
{
    struct drip *d = arg;
    d->never = weir_chan_new(c, char, 0);
    return WEIR_OK;
}

int main(int argc, char **argv)
{
    static struct drip the_drip = {.every = 10000, .what = "fd"};
    static const char *const kinds[] = {"fd", "memory", "fiber", NULL};
    const weir_option options[] = {
        {"every", "one request in so many leaks", .number = &the_drip.every, .min = 1,
         .max = 1000000000},
        {"what", "what it leaves behind", .text = &the_drip.what, .one_of = kinds},
        {0},
    };
    weir_app *app = weir_app_new(argc, argv, .name = "drip", .start = start, .arg = &the_drip,
                                 .options = options, .detached_max = 100000);
    weir_provide(app, drip, &the_drip);
    weir_get(app, "/drip", serve);
    return weir_app_run(app);
}
