/*
 * What a worker knows of names, and who waits for more. It is the worker's and not the process':
 * then it needs no lock, and who waits is woken by its own worker; a name is looked up once a
 * worker for that.
 *
 * A name is looked up in a fiber of its own below the worker's root, not in one of those that ask:
 * each of them has its own deadline, and the look-up goes on with the next server whichever of them
 * leaves. The hard thing is the end of it: the last one who leaves gives it up and takes it off the
 * list, so that who comes then does not join what is being cancelled; its fiber, which may not even
 * have begun, frees it.
 *
 * Owned by the worker's root. Bounded by number and by time.
 */
#include "net/resolve.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/metric.h"
#include "net/lookup.h"
#include "rt/worker.h"

struct names {
    struct weir__owned owned;
    struct weir__list all; /* name.link, last used first */
    unsigned count;
    struct weir__name_files files;
};

struct name {
    struct weir__list link;   /* names.all; in no list once it is given up */
    struct weir__list askers; /* weir__wait.in_object (N2) */
    struct names *names;
    unsigned waiting;      /* askers that have not left by themselves */
    bool is_asking;        /* N1 */
    bool is_given_up;      /* its fiber frees it */
    struct weir__ctx *ctx; /* of that fiber; NULL: it has not begun */
    weir_err err;
    struct weir__addresses found;
    size_t len;
    char text[]; /* NUL-terminated */
};

struct asker {
    struct weir__wait wait;
    struct weir__addresses *out;
    struct name *name; /* NULL: it was told */
};

static struct {
    struct weir__counter asked, known, shared, failed, ns;
} numbers;

/* --- a worker's memory -------------------------------------------------------------------- */

static void forget(struct name *n)
{
    WEIR_ASSERT(weir__list_empty(&n->askers), "N2: nobody waits for what is forgotten");
    if (!weir__list_empty(&n->link)) {
        weir__list_remove(&n->link);
        WEIR_ASSERT(n->names->count > 0, "N4: what is listed is counted");
        n->names->count--;
    }
    weir__free(n);
}

static void release(struct weir__owned *o)
{
    struct names *names = WEIR_CONTAINER(o, struct names, owned);
    while (!weir__list_empty(&names->all)) {
        struct name *n = WEIR_CONTAINER(names->all.next, struct name, link);
        WEIR_ASSERT(!n->is_asking, "N1: the fibers of a worker have ended before its root");
        forget(n);
    }
    WEIR_ASSERT(names->count == 0, "N4: as many are counted as are listed");
    weir__name_files_free(&names->files);
    weir__self->slots[WEIR__SLOT_NAMES] = NULL;
    weir__free(names);
}

static const struct weir__owned_type owned_type = {.name = "names", .release = release};

/* The running worker's; NULL: no memory. */
static struct names *names_here(void)
{
    struct names *names = weir__self->slots[WEIR__SLOT_NAMES];
    if (names != NULL)
        return names;
    names = weir__calloc(1, sizeof *names);
    if (names == NULL)
        return NULL;
    weir__list_init(&names->all);
    weir__own(weir__self->root, &names->owned, &owned_type, WEIR_HERE);
    weir__self->slots[WEIR__SLOT_NAMES] = names;
    return names;
}

static struct name *find(struct names *names, weir_str text)
{
    WEIR_LIST_EACH(node, &names->all) {
        struct name *n = WEIR_CONTAINER(node, struct name, link);
        if (n->len == text.len && weir__name_eq((weir_str){n->text, n->len}, text))
            return n;
    }
    return NULL;
}

/* Room for one more: what was used longest ago goes. False: all are being asked for. */
static bool make_room(struct names *names)
{
    WEIR_ASSERT(names->count <= WEIR__NAMES_MAX, "N4: a worker keeps no more than that");
    if (names->count < WEIR__NAMES_MAX)
        return true;
    for (struct weir__list *node = names->all.prev; node != &names->all; node = node->prev) {
        struct name *n = WEIR_CONTAINER(node, struct name, link);
        if (n->is_asking)
            continue;
        forget(n);
        return true;
    }
    return false;
}

/* --- a look-up ---------------------------------------------------------------------------- */

/* All who wait are told; what does not hold beyond this moment is forgotten. */
static void settle(struct name *n, uint32_t ttl_s)
{
    WEIR_ASSERT(n->is_asking && !n->is_given_up, "N1: what is told of was asked for");
    WEIR_ASSERT(n->err != WEIR_OK || n->found.count > 0,
                "N5: who is told without an error has addresses");
    n->is_asking = false;
    n->found.until = weir_time_add(weir__self->now, weir_sec((int64_t)ttl_s));
    for (struct weir__list *node; (node = weir__list_pop_front(&n->askers)) != NULL;) {
        struct weir__wait *w = WEIR_CONTAINER(node, struct weir__wait, in_object);
        struct asker *a = WEIR_CONTAINER(w, struct asker, wait);
        WEIR_ASSERT(a->name == n, "N2: who waits is told of the name that it asked for");
        *a->out = n->found;
        a->name = NULL;
        weir__wake(w, n->err);
    }
    if (ttl_s == 0)
        forget(n);
}

/* The fiber that asks. */
static weir_err look_up(weir_ctx *c, void *arg)
{
    struct name *n = arg;
    uint32_t ttl_s = 0;
    WEIR_ASSERT(n->is_asking && n->ctx == NULL, "N1: one fiber asks for a name");
    n->ctx = weir__ctx_of(c);
    if (!n->is_given_up)
        n->err = weir__look_up(n->ctx, &n->names->files, n->text, &n->found, &ttl_s);
    n->ctx = NULL;
    if (n->is_given_up)
        forget(n);
    else
        settle(n, ttl_s);
    return WEIR_OK;
}

/* A name that is being asked for; NULL with `*err`: there is none. */
static struct name *begin(struct names *names, weir_str text, weir_err *err)
{
    struct name *n = make_room(names) ? weir__calloc(1, sizeof *n + text.len + 1) : NULL;
    *err = names->count < WEIR__NAMES_MAX ? -ENOMEM : WEIR_ELIMIT;
    if (n == NULL)
        return NULL;
    WEIR_ASSERT(names->count < WEIR__NAMES_MAX, "N4: there is room for what is kept");
    *n = (struct name){.names = names, .is_asking = true, .len = text.len};
    memcpy(n->text, text.ptr, text.len);
    weir__list_init(&n->askers);
    weir__list_push_front(&names->all, &n->link);
    names->count++;
    *err = weir__go_apart(WEIR_HERE, weir__self->root, look_up, n, "resolve");
    if (*err == WEIR_OK)
        return n;
    forget(n);
    return NULL;
}

/* --- who waits for it --------------------------------------------------------------------- */

static void describe(const struct weir__wait *w, weir_buf *out)
{
    const struct name *n = w->object;
    weir_buf_printf(out, "%s", n->text);
}

static const struct weir__wait_type wait_type = {
    .name = "name", .describe = describe, .has_limit = true};

/* It has left by itself; the last one gives it up (N1). */
static void leave(struct name *n)
{
    WEIR_ASSERT(n->is_asking && n->waiting > 0, "N1: who leaves was waited for");
    if (--n->waiting > 0)
        return;
    WEIR_ASSERT(weir__list_empty(&n->askers), "N2: when the last has left nobody is in line");
    n->is_given_up = true;
    weir__list_remove(&n->link);
    n->names->count--;
    if (n->ctx != NULL)
        weir__ctx_cancel(n->ctx, WEIR_REASON_CALLER);
}

static weir_err await(struct weir__ctx *c, struct name *n, weir_time until,
                      struct weir__addresses *out)
{
    struct asker a = {.out = out, .name = n};
    WEIR_ASSERT(n->is_asking && !n->is_given_up, "N1: what is waited for is asked for");
    weir__wait_init(&a.wait, &wait_type, c, NULL, n);
    weir__list_push_back(&n->askers, &a.wait.in_object);
    n->waiting++;
    weir_err err = weir__park(&a.wait, until);
    if (a.name != NULL)
        leave(a.name);
    return err;
}

static weir_err known(const struct name *n, struct weir__addresses *out)
{
    WEIR_ASSERT(!n->is_asking && !n->is_given_up, "N1: what is known is asked for no more");
    *out = n->found;
    weir__counter_add_shared(&numbers.known, 1);
    return n->err;
}

static weir_err ask(struct weir__ctx *c, weir_str text, weir_time until,
                    struct weir__addresses *out)
{
    struct names *names = names_here();
    if (names == NULL)
        return -ENOMEM;
    weir_err err;
    weir_time now = weir__worker_now(weir__self);
    struct name *n = find(names, text);
    if (n != NULL && !n->is_asking && n->found.until.ns <= now.ns) {
        forget(n);
        n = NULL;
    }
    if (n == NULL)
        n = begin(names, text, &err);
    else if (n->is_asking)
        weir__counter_add_shared(&numbers.shared, 1);
    if (n == NULL)
        return err == WEIR_ECLOSED ? WEIR_ESHUTDOWN : err;
    WEIR_ASSERT(n->names == names && !weir__list_empty(&n->link),
                "N4: what is asked for is listed, at its own worker");
    weir__list_remove(&n->link);
    weir__list_push_front(&names->all, &n->link);
    if (!n->is_asking)
        return known(n, out);
    err = await(c, n, until, out);
    weir__counter_add_shared(&numbers.ns, (uint64_t)weir_time_sub(weir_now(), now).ns);
    return err;
}

/* --- without asking ----------------------------------------------------------------------- */

static bool is_number(weir_str name, struct weir__addresses *out)
{
    char text[WEIR__ENDPOINT_TEXT_MAX];
    uint8_t ip[16];
    if (name.len == 0 || name.len >= sizeof text)
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    for (int i = 0; i < 2; i++) {
        int family = i == 0 ? AF_INET : AF_INET6;
        if (inet_pton(family, text, ip) == 1)
            return weir__addresses_add(out, family, ip);
    }
    return false;
}

/* Nobody is asked: a server that says otherwise would have us talk to it (RFC 6761, 6.3). */
static weir_err localhost(struct weir__addresses *out)
{
    static const uint8_t four[4] = {127, 0, 0, 1}, six[16] = {[15] = 1};
    WEIR_ASSERT(out->count == 0, "N5: nobody has said where this is, and nobody is asked");
    (void)weir__addresses_add(out, AF_INET, four);
    (void)weir__addresses_add(out, AF_INET6, six);
    return WEIR_OK;
}

/*
 * "1.2.3", "127.1" and the like are no names, though their letters would do: the last label of a
 * name is not a number (RFC 1123, 2.1), and who takes such for addresses finds others.
 */
static bool is_almost_a_number(weir_str name)
{
    WEIR_ASSERT(name.len > 0, "N3: no name is empty");
    size_t end = name.len - (name.ptr[name.len - 1] == '.'), at = end;
    while (at > 0 && name.ptr[at - 1] >= '0' && name.ptr[at - 1] <= '9')
        at--;
    return at < end && (at == 0 || name.ptr[at - 1] == '.');
}

weir_err weir__resolve(struct weir__ctx *c, weir_str name, weir_time until,
                       struct weir__addresses *out)
{
    *out = (struct weir__addresses){.until = weir_never()};
    if (is_number(name, out))
        return WEIR_OK;
    if (!weir__name_is_good(name) || is_almost_a_number(name)) {
        snprintf(out->why, sizeof out->why, "neither an IP nor a name");
        return weir__call_refused(WEIR_EINVALID);
    }
    if (weir__name_is_localhost(name))
        return localhost(out);
    weir_err err = weir__ctx_check(c);
    if (err < 0)
        return weir__wait_refused(err);
    weir__counter_add_shared(&numbers.asked, 1);
    err = ask(c, name, until, out);
    WEIR_ASSERT(err != WEIR_OK || out->count > 0, "N5: who is told without an error has addresses");
    if (err < 0)
        weir__counter_add_shared(&numbers.failed, 1);
    return err;
}

/* --- numbers ------------------------------------------------------------------------------ */

#define COUNTER(name_, help_, ...)                                                                 \
    {                                                                                              \
        .name = name_, .help = help_, .type = WEIR_METRIC_COUNTER, __VA_ARGS__                     \
    }

static const struct weir__family families[] = {
    COUNTER("weir_names_asked_total", "Names that somebody needed the addresses of."),
    COUNTER("weir_names_known_total", "Of these, those that the worker knew."),
    COUNTER("weir_names_shared_total", "Of these, those that somebody else was asking for."),
    COUNTER("weir_names_failed_total", "Of these, those that led to no address."),
    COUNTER("weir_names_seconds_total", "Time waited for them.", .unit = WEIR_METRIC_SECONDS),
    COUNTER("weir_name_queries_total", "Times that a name server was asked."),
};

static void put(struct weir__metric_sink *to, void *unused)
{
    (void)unused;
    const struct weir__counter *counters[] = {&numbers.asked, &numbers.known, &numbers.shared,
                                              &numbers.failed, &numbers.ns};
    size_t count = sizeof counters / sizeof counters[0];
    for (size_t i = 0; i < count; i++)
        weir__family_put(to, &families[i], weir__counter_read(counters[i]));
    weir__family_put(to, &families[count], weir__name_queries());
}

void weir__resolve_metrics(struct weir__metrics *to)
{
    weir__metrics_add(to, families, sizeof families / sizeof families[0], put, NULL);
}
