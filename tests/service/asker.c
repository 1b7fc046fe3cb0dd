/*
 * A service that asks another one, --upstream, in every way that the HTTP client has. What became
 * of it is told as JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

struct asker {
    const char *upstream, *ca;
    weir_http *http;
    const char *proxy, *targets, *policy, *probe;
    int64_t answer_ms, dial_ms, hedge_ms, retries;
    bool is_h2;
};
WEIR_HANDLE(asker, struct asker);

typedef struct told {
    int32_t status;
    weir_str error, message, header, trailer;
    uint64_t bytes;
    weir_str body;
} told;
WEIR_MODEL(told, (status), (error), (message), (header), (trailer), (bytes), (body));

typedef struct item {
    int64_t id;
    weir_str name;
} item;
WEIR_MODEL(item, (id), (name));

/* What is known of a call that is over. */
static weir_err tell(weir_ctx *c, weir_reply *r, weir_str body, uint64_t bytes)
{
    weir_err err = weir_reply_err(r);
    const weir_error *e = weir_last_error(c);
    told t = {.status = weir_reply_status(r),
              .error = weir_str_from(err < 0 ? weir_strerror(err) : ""),
              .message = e != NULL ? e->message : WEIR_S(""),
              .header = weir_reply_header(r, "x-test"),
              .trailer = weir_reply_trailer(r, "x-sum"),
              .bytes = bytes,
              .body = body};
    weir_error_clear(c);
    return weir_json(c, 200, told, &t);
}

static const char *target(weir_ctx *c)
{
    weir_str to = weir_query_param(c, "to");
    return weir_strdup(c, to.ptr != NULL ? to : WEIR_S("/")).ptr;
}

/* GET /get?to=/path&ms=300: the body whole, in time. Authorization goes along. */
static weir_err get(weir_ctx *c)
{
    int64_t ms = 0;
    weir_str within = weir_query_param(c, "ms"), secret = weir_header(c, "Authorization");
    if (within.ptr != NULL && weir_str_i64(within, &ms) < 0)
        return weir_text(c, 400, "no number\n");
    const weir_http_header headers[] = {{secret.ptr != NULL ? "Authorization" : NULL, secret},
                                        {NULL, {NULL, 0}}};
    weir_reply *r =
        weir_http_get(c, asker(c)->http, target(c), .headers = headers, .timeout = weir_ms(ms),
                      .hedge_after = weir_ms(asker(c)->hedge_ms));
    weir_str body = weir_reply_body(r);
    return tell(c, r, body, body.len);
}

/* POST /form?to=/path: what was posted, from a file, and a line beside it, as a form. */
static weir_err form(weir_ctx *c)
{
    weir_file *f = weir_file_temp(c);
    weir_str body;
    if (weir_body(c, 1 << 20, &body) < 0 || weir_file_write(c, f, body.ptr, body.len) < 0)
        return weir_fail_last(c, 500);
    weir_reply *r = weir_http_do(
        c, asker(c)->http, "POST", target(c),
        .parts = WEIR_HTTP_PARTS({.name = "line", .body = WEIR_S("pén")},
                                 {.name = "file", .file = f, .filename = "a \"b\".bin"}));
    weir_str answer = weir_reply_body(r);
    return tell(c, r, answer, answer.len);
}

/* POST /packed?to=/path: what was posted, packed. */
static weir_err packed(weir_ctx *c)
{
    weir_str body;
    if (weir_body(c, 1 << 20, &body) < 0)
        return weir_fail_last(c, 400);
    weir_reply *r = weir_http_do(c, asker(c)->http, "POST", target(c), .body = body,
                                 .type = "text/plain", .pack = "gzip");
    weir_str answer = weir_reply_body(r);
    return tell(c, r, answer, answer.len);
}

/* GET /count?to=/path: the body by pieces, which are counted. */
static weir_err count(weir_ctx *c)
{
    char bytes[5000];
    uint64_t total = 0;
    weir_reply *r = weir_http_get(c, asker(c)->http, target(c));
    for (ssize_t n; (n = weir_reply_read(r, bytes, sizeof bytes)) > 0;)
        total += (uint64_t)n;
    return tell(c, r, WEIR_S(""), total);
}

/* GET /forget?to=/path: nothing of the body is read. */
static weir_err forget(weir_ctx *c)
{
    weir_reply *r = weir_http_get(c, asker(c)->http, target(c));
    return weir_reply_err(r) < 0 ? tell(c, r, WEIR_S(""), 0) : weir_text(c, 200, "forgotten\n");
}

/* POST /item: a model there and back. */
static weir_err post_item(weir_ctx *c)
{
    item it = {.id = 42, .name = WEIR_S("p\xc3\xa9n")}, back;
    weir_reply *r = weir_http_post(c, asker(c)->http, "/echo", item, &it);
    weir_err err = weir_reply_json(r, item, &back);
    if (err < 0)
        return tell(c, r, WEIR_S(""), 0);
    return weir_json(c, 200, item, &back);
}

/* POST /upload?to=/path: a megabyte in pieces. */
static weir_err upload(weir_ctx *c)
{
    static const char piece[10000] = "piece";
    weir_reply *r = weir_http_begin(c, asker(c)->http, "POST", target(c));
    for (int i = 0; i < 100 && weir_http_write(r, piece, sizeof piece) == WEIR_OK; i++)
        ;
    weir_http_finish(r);
    weir_str body = weir_reply_body(r);
    return tell(c, r, body, body.len);
}

/*
 * GET /hop: asks the next one the same, with what is left; a list of how much each one had, in
 * milliseconds, the last one's first.
 */
static weir_err hop(weir_ctx *c)
{
    int64_t left = 300;
    weir_str given = weir_header(c, "Weir-Deadline-Ms");
    if (given.ptr != NULL && weir_str_i64(given, &left) < 0)
        return weir_text(c, 400, "no number\n");
    WEIR_SCOPE(step, c, .timeout = weir_ms(left));
    weir_err err = weir_sleep(step, weir_ms(20));
    if (err < 0)
        return err;
    weir_str further = WEIR_S("");
    if (asker(c)->upstream != NULL) {
        weir_reply *r = weir_http_get(step, asker(c)->http, "/hop");
        further = weir_strdup(c, weir_reply_body(r));
        if (weir_reply_err(r) < 0)
            return tell(c, r, further, 0);
    }
    char text[400];
    snprintf(text, sizeof text, WEIR_STR_FMT "%lld ", WEIR_STR_ARG(further), (long long)left);
    return weir_text(c, 200, text);
}

/* "url url*3": targets and their weights. */
static void split_targets(char *text, weir_http_target *targets, size_t max)
{
    size_t count = 0;
    for (char *save, *at = strtok_r(text, " ", &save); at != NULL && count < max;
         at = strtok_r(NULL, " ", &save)) {
        char *weight = strchr(at, '*');
        targets[count].url = at;
        if (weight != NULL) {
            *weight = '\0';
            targets[count].weight = (uint32_t)strtoul(weight + 1, NULL, 10);
        }
        count++;
    }
}

static weir_http_policy policy_of(const char *name)
{
    if (name != NULL && strcmp(name, "least") == 0)
        return WEIR_HTTP_LEAST;
    return name != NULL && strcmp(name, "hash") == 0 ? WEIR_HTTP_HASH : WEIR_HTTP_ROUND_ROBIN;
}

static weir_err start(weir_ctx *c, void *arg)
{
    struct asker *k = arg;
    weir_http_target targets[9] = {{.url = NULL}};
    if (k->targets != NULL)
        split_targets(strdupa(k->targets), targets, 8);
    const weir_tls *tls = k->ca != NULL ? weir_tls_new(c, .ca_file = k->ca) : NULL;
    k->http = weir_http_open(
        c, .base = k->upstream, .name = "upstream", .trust_base = k->upstream != NULL, .tls = tls,
        .proxy = k->proxy, .cookies = true, .retries_max = (uint32_t)k->retries,
        .answer_timeout = weir_ms(k->answer_ms), .idle_timeout = weir_ms(k->answer_ms),
        .dial_timeout = weir_ms(k->dial_ms), .targets = k->targets != NULL ? targets : NULL,
        .group = {.policy = policy_of(k->policy),
                  .probe = k->probe,
                  .probe_interval = weir_ms(k->probe != NULL ? 100 : 0),
                  .out_time = weir_ms(k->targets != NULL ? 500 : 0),
                  .slow_start = weir_ms(k->targets != NULL ? 500 : 0)},
        .http2 = k->is_h2 ? WEIR_HTTP2_PRIOR : WEIR_HTTP2_AGREED);
    return weir_http_err(k->http);
}

int main(int argc, char **argv)
{
    static struct asker the_asker = {.answer_ms = 1000, .dial_ms = 5000};
    const weir_option options[] = {
        {"upstream", "whom it asks", .text = &the_asker.upstream},
        {"answer-ms", "how long it waits for an answer", .number = &the_asker.answer_ms, .min = 1,
         .max = 60000},
        {"dial-ms", "how long it waits for a connection", .number = &the_asker.dial_ms, .min = 1,
         .max = 60000},
        {"targets", "a group instead: \"url url*3\"", .text = &the_asker.targets},
        {"policy", "of the group: least, hash; else one after the other",
         .text = &the_asker.policy},
        {"probe", "of the group: a path, or \"tcp\"", .text = &the_asker.probe},
        {"hedge-ms", "after how long it asks once more; 0: never", .number = &the_asker.hedge_ms,
         .max = 60000},
        {"retries", "how often it tries again", .number = &the_asker.retries, .max = 10},
        {"ca", "whom it trusts", .text = &the_asker.ca},
        {"proxy", "through whom it asks", .text = &the_asker.proxy},
        {"h2", "over HTTP/2, without asking", .toggle = &the_asker.is_h2},
        {0},
    };
    weir_app *app = weir_app_new(argc, argv, .name = "asker", .start = start, .arg = &the_asker,
                                 .options = options);
    weir_provide(app, asker, &the_asker);
    weir_get(app, "/get", get);
    weir_get(app, "/count", count);
    weir_get(app, "/forget", forget);
    weir_get(app, "/hop", hop);
    weir_post(app, "/item", post_item);
    weir_post(app, "/upload", upload);
    weir_post(app, "/form", form);
    weir_post(app, "/packed", packed);
    return weir_app_run(app);
}
