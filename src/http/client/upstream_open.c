/*
 * Making a group: its options, checked all at once, its sources, and the client that asks targets
 * how they are.
 *
 * Owns all of it but texts: what a context has of memory may go before what it owns is released.
 */
#include "http/client/upstream.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bounds.h"
#include "rt/worker.h"
#include "wire/http_field.h"

#define MS INT64_C(1000000)
#define SEC (1000 * MS)

/* --- options ---------------------------------------------------------------------------------- */

struct checker {
    const weir_http *http;
    struct weir__bounds b;
    weir_err err;
};

static void begin_line(struct checker *k)
{
    weir__bounds_line(&k->b);
    if (k->err == WEIR_OK)
        k->err = WEIR_EINVALID;
}

static void check_numbers(struct checker *k, weir_http_group_options *g)
{
    struct weir__bounds *b = &k->b;
    weir__bounds_dur(b, "group.probe_interval", &g->probe_interval, 5 * SEC, 100 * MS, 3600 * SEC);
    weir__bounds_dur(b, "group.probe_timeout", &g->probe_timeout, SEC, MS, 60 * SEC);
    weir__bounds_count(b, "group.rise", &g->rise, 2, 1, 100);
    weir__bounds_count(b, "group.fall", &g->fall, 3, 1, 100);
    weir__bounds_count(b, "group.failures_max", &g->failures_max, 3, 1, 1000);
    weir__bounds_count(b, "group.out_percent_max", &g->out_percent_max, 50, 1, 100);
    weir__bounds_dur(b, "group.out_time", &g->out_time, 30 * SEC, MS, 3600 * SEC);
    weir__bounds_dur(b, "group.slow_start", &g->slow_start, 30 * SEC, MS, 3600 * SEC);
    if (b->is_bad && k->err == WEIR_OK)
        k->err = WEIR_EINVALID;
}

static void check_texts(struct checker *k, const weir_http_group_options *g)
{
    if (g->policy > WEIR_HTTP_HASH) {
        begin_line(k);
        weir_buf_printf(k->b.out,
                        "group.policy is %d; allowed: WEIR_HTTP_ROUND_ROBIN, "
                        "WEIR_HTTP_LEAST, WEIR_HTTP_HASH",
                        (int)g->policy);
    }
    if (g->key_header != NULL &&
        (g->policy != WEIR_HTTP_HASH || !weir__http_name_is_valid(weir_str_from(g->key_header)))) {
        begin_line(k);
        weir_buf_printf(k->b.out,
                        "group.key_header \"%.60s\" is no name of a header, or the policy "
                        "is not WEIR_HTTP_HASH",
                        g->key_header);
    }
    bool is_probe = g->probe == NULL || strcmp(g->probe, "tcp") == 0 || g->probe[0] == '/';
    if (!is_probe) {
        begin_line(k);
        weir_buf_printf(k->b.out, "group.probe \"%.60s\" is neither a path nor \"tcp\"", g->probe);
    }
}

/* Does somebody want a group? */
static bool is_wanted(const weir_http_options *o)
{
    const weir_http_group_options *g = &o->group;
    return o->targets != NULL || g->policy != WEIR_HTTP_ROUND_ROBIN || g->probe != NULL ||
           g->key_header != NULL;
}

/* What is wrong with one; NULL: nothing. */
static const char *mistake_of(const weir_http *http, const weir_http_target *from,
                              const struct weir__client_target *at)
{
    if (at->path.len > 0)
        return "a target has no path";
    if (from->weight > WEIR__BALANCE_WEIGHT_MAX)
        return "its weight is over 1,000";
    if (from->each_address && at->is_ip)
        return "with .each_address it has a name";
    if (from->each_address && http->o.proxy != NULL)
        return "with .each_address there is no proxy, which would look names up";
    return NULL;
}

static void check_source(struct checker *k, struct weir__ctx *c, const weir_http_target *from,
                         struct weir__upstream_source *to)
{
    const char *why = "";
    weir_err err = weir__client_base_read(c, from->url, &to->at, &why);
    if (err == -ENOMEM) {
        k->err = err;
        return;
    }
    if (err == WEIR_ENOTBUILT)
        why = "https is not spoken here";
    if (err == WEIR_OK) {
        why = mistake_of(k->http, from, &to->at);
        err = why != NULL ? WEIR_EINVALID : WEIR_OK;
    }
    if (err == WEIR_OK)
        return;
    begin_line(k);
    weir_buf_printf(k->b.out,
                    "its target \"%.80s\" cannot be used: %s; write http://host:port or "
                    "unix:/path",
                    from->url, why);
    k->err = err;
}

static void check_together(struct checker *k, const struct weir__upstream *u)
{
    uint32_t names = 0;
    for (uint32_t i = 0; i < u->source_count; i++) {
        names += u->sources[i].is_each;
        for (uint32_t n = 0; n < i; n++)
            if (weir_str_eq(u->sources[i].at.origin, u->sources[n].at.origin)) {
                begin_line(k);
                weir_buf_printf(k->b.out, "its target \"%.80s\" is there twice", u->sources[i].url);
            }
    }
    if (names <= WEIR__UPSTREAM_NAMES_MAX)
        return;
    begin_line(k);
    weir_buf_printf(k->b.out, "%u of its targets have .each_address; allowed: %d", names,
                    WEIR__UPSTREAM_NAMES_MAX);
}

/* --- making ----------------------------------------------------------------------------------- */

static char *copied(struct weir__ctx *c, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = weir__ctx_object(c, size);
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

static void settle_healths(struct weir__upstream *u)
{
    const weir_http_group_options *g = &u->http->o.group;
    u->healths = (struct weir__health_options){.fall = g->fall,
                                               .rise = g->rise,
                                               .interval = g->probe_interval,
                                               .slow_start = g->slow_start};
    weir__health_options_settle(&u->healths);
}

static weir_err read_sources(struct weir__upstream *u, struct weir__ctx *c, struct checker *k)
{
    const weir_http_options *o = &u->http->o;
    u->sources = weir__calloc(u->source_count, sizeof *u->sources);
    u->here = weir__calloc(u->http->workers, sizeof(struct weir__upstream_set *));
    if (u->sources == NULL || u->here == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < u->source_count; i++) {
        struct weir__upstream_source *s = &u->sources[i];
        s->upstream = u;
        s->url = copied(c, o->targets[i].url);
        if (s->url == NULL)
            return -ENOMEM;
        s->weight = o->targets[i].weight;
        s->is_each = o->targets[i].each_address;
        check_source(k, c, &o->targets[i], s);
        s->at.is_trusted = o->trust_base || weir__client_is_trusted(u->http, &s->at);
    }
    if (k->err == WEIR_OK)
        check_together(k, u);
    return k->err;
}

static uint32_t count_of(const weir_http_options *o)
{
    uint32_t n = 0;
    while (o->targets != NULL && n <= WEIR__UPSTREAM_SOURCES_MAX && o->targets[n].url != NULL)
        n++;
    return n;
}

static weir_err keep_text(struct weir__ctx *c, const char **text)
{
    if (*text == NULL)
        return WEIR_OK;
    *text = copied(c, *text);
    return *text != NULL ? WEIR_OK : -ENOMEM;
}

static weir_err keep_group(weir_http *http, struct weir__ctx *c)
{
    weir_err err = keep_text(c, &http->o.group.probe);
    return err == WEIR_OK ? keep_text(c, &http->o.group.key_header) : err;
}

/* Calls that begin with '/' go to the group, which stands where a base would. */
static void be_base(weir_http *http)
{
    http->has_base = true;
    http->base = (struct weir__client_target){.origin = weir_str_from(http->name),
                                              .host = weir_str_from(http->name),
                                              .name = weir_str_from(http->name),
                                              .path = WEIR_S(""),
                                              .is_base = true};
}

weir_err weir__upstream_make(weir_http *http, struct weir__ctx *c, weir_buf *mistakes)
{
    struct checker k = {
        http, {.kind = "HTTP client", .name = http->name, .out = mistakes}, WEIR_OK};
    const uint32_t count = count_of(&http->o);
    if (!is_wanted(&http->o))
        return WEIR_OK;
    if (count == 0 || count > WEIR__UPSTREAM_SOURCES_MAX || http->o.base != NULL) {
        begin_line(&k);
        weir_buf_puts(mistakes, WEIR_S("a group has 1 to 100 targets, and no base"));
        return k.err;
    }
    struct weir__upstream *u = weir__calloc(1, sizeof *u);
    if (u == NULL)
        return -ENOMEM;
    http->upstream = u;
    u->http = http;
    u->owner = c;
    u->source_count = count;
    weir__lock_init(&u->lock);
    weir__list_init(&u->targets);
    u->is_probed = http->o.group.probe != NULL;
    u->random.state = (uint64_t)weir__self->now.ns;
    check_numbers(&k, &http->o.group);
    check_texts(&k, &http->o.group);
    settle_healths(u);
    weir_err err = read_sources(u, c, &k);
    if (err == WEIR_OK)
        err = keep_group(http, c);
    if (err == WEIR_OK)
        err = weir__upstream_begin(u);
    be_base(http);
    http->o.targets = NULL; /* the caller's */
    return err;
}

void weir__upstream_free(struct weir__upstream *u)
{
    if (u == NULL)
        return;
    weir__upstream_end(u);
    weir__free(u->here);
    weir__free(u->sources);
    weir__free(u);
}

/* --- what goes on by itself ------------------------------------------------------------------- */

/* One that asks a target at a time: no group, no retries, a connection to each, its own numbers. */
static weir_err open_prober(struct weir__upstream *u, const weir_site *site)
{
    weir_http_options o = u->http->o;
    o.name = weir_sprintf(weir__ctx_handle(u->owner), "%s probes", u->http->name).ptr;
    if (o.name == NULL)
        return -ENOMEM;
    o.targets = NULL;
    o.group = (weir_http_group_options){.policy = WEIR_HTTP_ROUND_ROBIN};
    o.pool = (weir_pool_options){.max_open = 1};
    o.hosts_max = o.open_max = WEIR__UPSTREAM_TARGETS_MAX;
    o.trust_base = false; /* it has none: its targets know themselves whether they are trusted */
    o.retries_max = 0;
    o.redirects_max = WEIR_HTTP_NONE;
    u->prober = weir_http_open_at(site, weir__ctx_handle(u->owner), &o);
    return weir_http_err(u->prober);
}

weir_err weir__upstream_start(weir_http *http, const weir_site *site)
{
    struct weir__upstream *u = http->upstream;
    weir_err err = WEIR_OK;
    if (u == NULL)
        return WEIR_OK;
    if (u->is_probed && strcmp(http->o.group.probe, "tcp") != 0)
        err = open_prober(u, site);
    for (uint32_t i = 0; i < u->source_count && err == WEIR_OK; i++) {
        struct weir__upstream_source *s = &u->sources[i];
        if (s->is_each)
            err = weir__upstream_look_up(s);
        else if (u->is_probed)
            err = weir__upstream_probe(s->self);
    }
    return err;
}
