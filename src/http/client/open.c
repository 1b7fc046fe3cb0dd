/*
 * Making a client: its options, checked all at once, its pools and its numbers. Texts are copied,
 * for a client lives longer than what it was made with.
 *
 * Owns the workers' numbers. Context: fibers.
 */
#include "http/client/client.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/bounds.h"
#include "guard/retry_budget.h"
#include "http/client/upstream.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/sized.h"
#include "wire/http_field.h"
#include <weir/version.h>

#define MS INT64_C(1000000)
#define SEC (1000 * MS)
#define KIB INT64_C(1024)
#define GIB (KIB * KIB * KIB)

static weir_http http_without_memory = {
    .token = WEIR__TOKEN_STATIC(WEIR__KIND_HTTP), .err = -ENOMEM, .name = "(no memory)"};

/* --- options ---------------------------------------------------------------------------------- */

static void check_numbers(struct weir__bounds *b, weir_http_options *o)
{
    weir__bounds_dur(b, "dial_timeout", &o->dial_timeout, 5 * SEC, MS, 600 * SEC);
    weir__bounds_dur(b, "answer_timeout", &o->answer_timeout, 30 * SEC, MS, 3600 * SEC);
    weir__bounds_dur(b, "idle_timeout", &o->idle_timeout, 30 * SEC, MS, 3600 * SEC);
    weir__bounds_count(b, "head_bytes_max", &o->head_bytes_max, 32 * KIB, 256,
                       WEIR_HTTP_HEAD_BYTES_MAX);
    weir__bounds_count(b, "headers_max", &o->headers_max, WEIR_HTTP_FIELDS_MAX, 1,
                       WEIR_HTTP_FIELDS_MAX);
    weir__bounds_large(b, "body_bytes_max", &o->body_bytes_max, 4 * KIB * KIB, 1, GIB);
    weir__bounds_count(b, "hosts_max", &o->hosts_max, 100, 1, 1000);
    weir__bounds_count(b, "retries_max", &o->retries_max, 0, 0, 10);
    if (o->redirects_max != WEIR_HTTP_NONE)
        weir__bounds_count(b, "redirects_max", &o->redirects_max, 10, 1, 50);
    weir__bounds_large(b, "unpacked_bytes_max", &o->unpacked_bytes_max, GIB, 1, KIB * GIB);
    weir__bounds_count(b, "unpacked_ratio_max", &o->unpacked_ratio_max, 200, 2, 2000);
    weir__bounds_count(b, "open_max", &o->open_max, 1000, 1, 10000);
}

static void check_own(struct weir__bounds *b, const char *what, weir_str name)
{
    if (!weir__client_is_own_header(name))
        return;
    weir__bounds_line(b);
    weir_buf_printf(b->out, "the %s " WEIR_STR_FMT " is the client's own to send", what,
                    WEIR_STR_ARG(name));
}

static void check_headers(struct weir__bounds *b, const weir_http_header *h)
{
    for (; h != NULL && h->name != NULL; h++) {
        check_own(b, "header", weir_str_from(h->name));
        if (weir__http_name_is_valid(weir_str_from(h->name)) && weir__http_value_is_valid(h->value))
            continue;
        weir__bounds_line(b);
        weir_buf_printf(b->out,
                        "the header \"%.60s\" has a name that is no token, or a value with "
                        "a control character, or a blank at an end",
                        h->name);
    }
}

static void check_version(struct weir__bounds *b, const weir_http_options *o)
{
    if (o->http2 <= WEIR_HTTP2_PRIOR)
        return;
    weir__bounds_line(b);
    weir_buf_printf(b->out, "http2 is %d; allowed: WEIR_HTTP2_AGREED, _NEVER, _PRIOR",
                    (int)o->http2);
}

static void check_texts(struct weir__bounds *b, const weir_http_options *o)
{
    check_headers(b, o->headers);
    if (!weir__http_value_is_valid(weir_str_from(o->user_agent))) {
        weir__bounds_line(b);
        weir_buf_puts(b->out, WEIR_S("the user_agent may not be sent as a header"));
    }
    weir_str deadline = weir_str_from(o->deadline_header);
    check_own(b, "deadline_header", deadline);
    if (deadline.len > 0 && !weir__http_name_is_valid(deadline)) {
        weir__bounds_line(b);
        weir_buf_printf(b->out, "deadline_header \"%.60s\" is no name of a header",
                        o->deadline_header);
    }
    if (o->trust_base && o->base == NULL && o->targets == NULL) {
        weir__bounds_line(b);
        weir_buf_puts(b->out, WEIR_S("trust_base without a base"));
    }
}

static weir_err check_base(struct weir__bounds *b, weir_http *http, struct weir__ctx *c)
{
    const char *why = "";
    if (http->o.base == NULL)
        return WEIR_OK;
    weir_err err = weir__client_base_read(c, http->o.base, &http->base, &why);
    http->has_base = err == WEIR_OK;
    if (err == WEIR_OK || err == -ENOMEM)
        return err;
    weir__bounds_line(b);
    weir_buf_printf(b->out,
                    "its base cannot be used: %s; write http://host:port/path, "
                    "https:… or unix:/path",
                    why);
    return err;
}

/* Of a proxy only the host counts. */
static weir_err check_proxy(struct weir__bounds *b, weir_http *http, struct weir__ctx *c)
{
    const weir_http_options *o = &http->o;
    const char *why = "it is no http://host:port";
    if (o->proxy_authorization != NULL &&
        !weir__http_value_is_valid(weir_str_from(o->proxy_authorization))) {
        weir__bounds_line(b);
        weir_buf_puts(b->out, WEIR_S("proxy_authorization may not be sent as a header"));
    }
    if (o->proxy == NULL)
        return WEIR_OK;
    weir_err err = WEIR_EINVALID;
    if (strncasecmp(o->proxy, "http:", 5) == 0)
        err = weir__client_base_read(c, o->proxy, &http->proxy, &why);
    http->has_proxy = err == WEIR_OK;
    if (err == WEIR_OK || err == -ENOMEM)
        return err;
    weir__bounds_line(b);
    weir_buf_printf(b->out, "its proxy cannot be used: %s", why);
    return err;
}

/* --- copies ----------------------------------------------------------------------------------- */

/* NULL stays NULL. False: no memory. */
static bool keep_text(struct weir__ctx *c, const char **text)
{
    if (*text == NULL)
        return true;
    size_t size = strlen(*text) + 1;
    char *copy = weir__ctx_object(c, size);
    if (copy == NULL)
        return false;
    *text = memcpy(copy, *text, size);
    return true;
}

static bool keep_hosts(struct weir__ctx *c, weir_http_options *o)
{
    size_t count = 0;
    while (o->trusted != NULL && o->trusted[count] != NULL)
        count++;
    const char **copy = weir__ctx_object(c, (count + 1) * sizeof *copy);
    if (copy == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        copy[i] = o->trusted[i];
        if (!keep_text(c, &copy[i]))
            return false;
    }
    o->trusted = copy;
    return true;
}

static bool keep_value(struct weir__ctx *c, weir_str *value)
{
    char *copy = weir__ctx_object(c, value->len + 1);
    if (copy != NULL && value->len > 0)
        memcpy(copy, value->ptr, value->len);
    value->ptr = copy;
    return copy != NULL;
}

static bool keep_headers(struct weir__ctx *c, weir_http_options *o)
{
    size_t count = 0;
    while (o->headers != NULL && o->headers[count].name != NULL)
        count++;
    weir_http_header *copy = weir__ctx_object(c, (count + 1) * sizeof *copy);
    if (copy == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        copy[i] = o->headers[i];
        if (!keep_text(c, &copy[i].name) || !keep_value(c, &copy[i].value))
            return false;
    }
    o->headers = copy;
    return true;
}

static weir_err keep(weir_http *http, struct weir__ctx *c)
{
    weir_http_options *o = &http->o;
    if (o->user_agent == NULL)
        o->user_agent = "weir/" WEIR_VERSION;
    if (o->deadline_header == NULL)
        o->deadline_header = "Weir-Deadline-Ms";
    if (o->name == NULL)
        o->name = o->base != NULL ? o->base : "http";
    if (o->pool.max_open == 0)
        o->pool.max_open = 100;
    bool is_kept = keep_text(c, &o->base) && keep_text(c, &o->name) &&
                   keep_text(c, &o->user_agent) && keep_text(c, &o->deadline_header) &&
                   keep_text(c, &o->proxy) && keep_text(c, &o->proxy_authorization) &&
                   keep_headers(c, o) && keep_hosts(c, o);
    http->name = is_kept ? o->name : "(no memory)";
    return is_kept ? WEIR_OK : -ENOMEM;
}

/* --- making ----------------------------------------------------------------------------------- */

static void release(struct weir__owned *o)
{
    weir_http *http = WEIR_CONTAINER(o, weir_http, owned);
    weir__client_tls_close(http);
    weir__cookie_jar_fini(&http->jar);
    for (unsigned i = 0; http->cells != NULL && i < http->workers; i++)
        weir__free(http->cells[i].scratch);
    weir__free(http->cells);
    weir__retry_budget_free(http->budget);
    weir__upstream_free(http->upstream);
    http->cells = NULL;
    http->budget = NULL;
    http->upstream = NULL;
    if (http->err == WEIR_OK)
        http->err = WEIR_ECLOSED;
}

static void describe(const struct weir__owned *o, weir_buf *out)
{
    weir_buf_puts(out, weir_str_from(WEIR_CONTAINER(o, weir_http, owned)->name));
}

static const struct weir__owned_type http_type = {
    .name = "HTTP client", .release = release, .describe = describe};

static void leave_list(struct weir__owned *o)
{
    weir__client_delist(WEIR_CONTAINER(o, weir_http, listed));
}

static void describe_listed(const struct weir__owned *o, weir_buf *out)
{
    weir_buf_puts(out, weir_str_from(WEIR_CONTAINER(o, weir_http, listed)->name));
}

static const struct weir__owned_type listed_type = {
    .name = "numbers of an HTTP client", .release = leave_list, .describe = describe_listed};

static weir_err make_cells(weir_http *http)
{
    http->workers = weir__self->runtime->worker_count;
    size_t size = http->workers * sizeof *http->cells;
    http->cells = weir__memalign(_Alignof(struct weir__client_cells), size);
    if (http->cells == NULL)
        return -ENOMEM;
    memset(http->cells, 0, size);
    weir_time now = weir__worker_now(weir__self);
    for (unsigned i = 0; i < http->workers; i++)
        http->cells[i].random.state = (uint64_t)now.ns + i;
    const struct weir__retry_budget_options defaults = {.percent = 0};
    http->budget = weir__retry_budget_new(&defaults, http->workers, now);
    return http->budget != NULL ? WEIR_OK : -ENOMEM;
}

/* What TLS is made of is there from the start where it is known that it will be wanted. */
static weir_err check_tls(struct weir__bounds *b, weir_http *http)
{
    char text[320];
    weir_buf why;
    weir_buf_init_fixed(&why, text, sizeof text);
    if (http->o.tls == NULL && !http->base.is_https)
        return WEIR_OK;
    weir_err err = weir__client_tls_open(http, &why);
    if (err == WEIR_OK)
        return err;
    weir__bounds_line(b);
    weir_buf_puts(b->out, weir_buf_str(&why));
    return err;
}

/* All mistakes of the options, in one text. */
static weir_err check(weir_http *http, struct weir__ctx *c, weir_buf *mistakes)
{
    struct weir__bounds b = {.kind = "HTTP client", .name = http->name, .out = mistakes};
    weir_err base = check_base(&b, http, c), proxy = check_proxy(&b, http, c);
    weir_err tls = base == WEIR_OK ? check_tls(&b, http) : WEIR_OK;
    check_texts(&b, &http->o);
    weir_err group = weir__upstream_make(http, c, mistakes);
    check_version(&b, &http->o);
    check_numbers(&b, &http->o);
    weir_pool_options pool = http->o.pool; /* which the group settles again */
    weir_err err = weir__pool_options_settle(http->name, &pool, mistakes);
    if (base == WEIR_OK)
        base = proxy != WEIR_OK ? proxy : group;
    if (base != WEIR_OK)
        return base;
    if (tls != WEIR_OK)
        return tls;
    if (http->o.http2 == WEIR_HTTP2_PRIOR && !WEIR_HTTP2 && !b.is_bad) {
        weir__bounds_line(&b);
        weir_buf_puts(mistakes, WEIR_S("this build of Weir was made without HTTP/2"));
        return WEIR_ENOTBUILT;
    }
    return b.is_bad ? WEIR_EINVALID : err;
}

/* Does it ask over TLS? One without a base may: it is told with each call. */
static bool may_secure(const weir_http *http)
{
    if (http->upstream != NULL)
        return weir__upstream_is_https(http->upstream);
    return !http->has_base || http->base.is_https;
}

/* May HTTP/2 be spoken to the hosts that it is made for? */
static bool may_share(const weir_http *http)
{
    const weir_http_options *o = &http->o;
    bool may_agree = WEIR_TLS && WEIR_HTTP2 && may_secure(http);
    return o->http2 == WEIR_HTTP2_PRIOR || (o->http2 == WEIR_HTTP2_AGREED && may_agree);
}

/* What a shared pool cannot be told is of those connections that are not shared. */
static weir_err make_shared(weir_http *http, struct weir__ctx *c, const weir_site *site)
{
    struct weir__shared_options o = {
        .each = http->o.pool, .keys_max = http->o.hosts_max, .open_max = http->o.open_max};
    o.each.min_idle = o.each.max_idle = 0;
    o.each.check_after = weir_ns(0);
    http->shared = weir__shared_pool_new(c, http->name, &o, &weir__client_shared_ops, http, site);
    return http->shared != NULL ? WEIR_OK : -ENOMEM;
}

static weir_err make(weir_http *http, struct weir__ctx *c, const weir_site *site)
{
    char bytes[1500];
    weir_buf mistakes;
    weir_buf_init_fixed(&mistakes, bytes, sizeof bytes);
    weir_err err = keep(http, c);
    if (err == WEIR_OK)
        err = make_cells(http);
    if (err != WEIR_OK)
        return err;
    err = check(http, c, &mistakes);
    if (err == -ENOMEM)
        return err;
    if (err != WEIR_OK) {
        weir_str s = weir_buf_str(&mistakes);
        return weir_raise_at(site, weir__ctx_handle(c), err, 0, WEIR_STR_FMT, WEIR_STR_ARG(s));
    }
    const struct weir__pool_group_options o = {
        .each = http->o.pool, .keys_max = http->o.hosts_max, .open_max = http->o.open_max};
    http->group = weir__pool_group_new(c, http->name, &o, &weir__client_pool_ops, http, site);
    if (http->group == NULL)
        return -ENOMEM;
    err = may_share(http) ? make_shared(http, c, site) : WEIR_OK;
    return err == WEIR_OK ? weir__upstream_start(http, site) : err;
}

weir_http *weir_http_open_at(const weir_site *site, weir_ctx *handle,
                             const weir_http_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_http_options room;
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_http_open");
    weir_http *http = weir__ctx_object(c, sizeof *http);
    if (http == NULL)
        return &http_without_memory;
    weir__token_open(&http->token, c, WEIR__KIND_HTTP);
    http->o =
        *(const weir_http_options *)weir__options(options, &room, sizeof room, "weir_http_open");
    http->name = "(no name)";
    weir__list_init(&http->in_all);
    weir__lock_init(&http->jar_lock);
    weir__cookie_jar_init(&http->jar);
    weir__own(c, &http->owned, &http_type, site);
    http->err = make(http, c, site);
    if (http->err == WEIR_OK) {
        weir__own(c, &http->listed, &listed_type, site); /* the newest, so the first to go */
        weir__client_enlist(http);
    }
    return weir__token_handle(&http->token);
}

weir_err weir_http_err(const weir_http *http)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    const weir_http *h = weir__token_must(http, WEIR__KIND_HTTP, __func__, "the HTTP client");
    return h->err;
}
