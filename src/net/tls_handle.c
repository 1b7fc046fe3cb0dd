/*
 * What programs have of TLS: a client's configuration that a context owns. It is there also when it
 * could not be made; then it has the error, which each connection with it gets.
 */
#include "net/tls_handle.h"

#include <string.h>

#include "base/assert.h"
#include "base/given.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/sized.h"
#include "sync/waitq.h"

#define KIND WEIR__KIND_TLS

enum { WHY_BYTES = 320 };

struct weir_tls {
    struct weir__waitq q; /* of which nobody waits: it knows who may use the handle */
    struct weir__tls_client *client;
    weir_err err;
};

static weir_tls no_memory = {.q = {.token = WEIR__TOKEN_STATIC(KIND)}, .err = -ENOMEM};

static void release(struct weir__owned *o)
{
    weir_tls *t = WEIR_CONTAINER(o, weir_tls, q.owned);
    WEIR_ASSERT((t->err == WEIR_OK) == (t->client != NULL),
                "T11: there is a configuration, or an error");
    weir__tls_client_unref(t->client);
    weir__waitq_end(&t->q);
}

static const struct weir__owned_type owned_type = {.name = "TLS", .release = release};

static weir_err version_of(const char *text, enum weir__tls_version *out, weir_buf *why)
{
    *out = WEIR__TLS_ANY;
    if (text == NULL || strcmp(text, "1.2") == 0)
        return WEIR_OK;
    *out = WEIR__TLS_1_3;
    if (strcmp(text, "1.3") == 0)
        return WEIR_OK;
    weir_buf_printf(why, ".min is \"%.40s\"; allowed: \"1.2\", \"1.3\"", text);
    return WEIR_EINVALID;
}

static weir_err read_options(const weir_tls_options *o, struct weir__tls_client_options *out,
                             weir_buf *why)
{
    *out = (struct weir__tls_client_options){
        .choice = {.ciphers = o->ciphers, .suites = o->suites, .alpn = o->alpn},
        .is_unverified = o->unverified,
        .ca = {.file = o->ca_file},
        .own = {.chain = {.file = o->cert_file}, .key = {.file = o->key_file}},
    };
    if ((o->cert_file != NULL) != (o->key_file != NULL)) {
        weir_buf_printf(why, "%s without %s: a certificate is used with its key",
                        o->cert_file != NULL ? ".cert_file" : ".key_file",
                        o->cert_file != NULL ? ".key_file" : ".cert_file");
        return WEIR_EINVALID;
    }
    return version_of(o->min, &out->choice.version_min, why);
}

weir_tls *weir_tls_new_at(const weir_site *site, weir_ctx *c, const weir_tls_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_tls_options room;
    options = weir__options(options, &room, sizeof room, "weir_tls_new");
    struct weir__ctx *owner = weir__ctx_of_at(c, "weir_tls_new");
    weir_tls *t = weir__waitq_new(owner, sizeof *t, KIND, &owned_type, site);
    if (t == NULL) {
        (void)weir_raise_at(site, c, -ENOMEM, 0, "TLS: out of memory");
        return &no_memory;
    }
    struct weir__tls_client_options o;
    char text[WHY_BYTES];
    weir_buf why;
    weir_buf_init_fixed(&why, text, sizeof text);
    t->err = read_options(options, &o, &why);
    if (t->err == WEIR_OK)
        t->err = weir__tls_client_new(&o, &t->client, &why);
    if (t->err < 0)
        (void)weir_raise_at(site, c, t->err, 0, "TLS: " WEIR_STR_FMT,
                            WEIR_STR_ARG(weir_buf_str(&why)));
    WEIR_ASSERT((t->err == WEIR_OK) == (t->client != NULL),
                "T11: there is a configuration, or an error");
    return weir__token_handle(&t->q.token);
}

weir_err weir__tls_of(const weir_tls *handle, const char *function, struct weir__tls_client **out)
{
    const weir_tls *t = weir__waitq_of(handle, KIND, function, "the TLS");
    weir_err err = weir__waitq_state(&t->q);
    WEIR_ASSERT(err < 0 || (t->err == WEIR_OK) == (t->client != NULL),
                "T11: there is a configuration, or an error");
    *out = t->client;
    return err < 0 ? err : t->err;
}

weir_err weir_tls_err(const weir_tls *tls)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__tls_client *client;
    return weir__tls_of(tls, __func__, &client);
}
