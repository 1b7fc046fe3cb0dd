/*
 * Decoders one behind the other. `at` walks along them: a stage that has put something out hands on
 * to the next, one that wants input goes back to the one before. So nothing that can be put out
 * waits in between, which a stream of events would notice.
 */
#include "wire/decode_chain.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { BETWEEN_BYTES = 4096 };

struct stage {
    struct weir__decoder *decoder;
    bool is_over;    /* it has put out all that it will */
    size_t from, to; /* what waits in `bytes` for the next one */
    char *bytes;     /* of all stages but the last; BETWEEN_BYTES */
};

struct weir__decode_chain {
    size_t count;
    struct stage stages[WEIR__CODINGS_MAX];
    uint64_t bytes_max, bytes; /* of a body that is not coded */
    int err;
};

static int add_stage(struct weir__decode_chain *c, enum weir__coding coding,
                     const struct weir__decode_limits *limits, bool is_last)
{
    struct stage *s = &c->stages[c->count++];
    int rc = weir__decoder_new(coding, limits, &s->decoder);
    if (rc != WEIR_OK || is_last)
        return rc;
    s->bytes = weir__malloc(BETWEEN_BYTES);
    return s->bytes != NULL ? WEIR_OK : -ENOMEM;
}

int weir__decode_chain_new(weir_str content_encoding, const struct weir__decode_limits *limits,
                           struct weir__decode_chain **out)
{
    enum weir__coding codings[WEIR__CODINGS_MAX];
    size_t count;
    *out = NULL;
    int rc = weir__coding_list_parse(content_encoding, codings, &count);
    if (rc != WEIR_OK)
        return rc;
    struct weir__decode_chain *c = weir__calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->bytes_max = weir__decode_limits_of(limits).bytes_max;
    for (size_t i = count; i > 0 && rc == WEIR_OK; i--) /* the last one applied is the outermost */
        rc = add_stage(c, codings[i - 1], limits, i == 1);
    if (rc != WEIR_OK) {
        weir__decode_chain_free(c);
        return rc;
    }
    *out = c;
    return WEIR_OK;
}

void weir__decode_chain_free(struct weir__decode_chain *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count; i++) {
        weir__decoder_free(c->stages[i].decoder);
        weir__free(c->stages[i].bytes);
    }
    weir__free(c);
}

bool weir__decode_chain_is_plain(const struct weir__decode_chain *c)
{
    return c->count == 0;
}

/* A body that is not coded. */
static int pass_on(struct weir__decode_chain *c, struct weir__flow *flow, bool is_last)
{
    size_t n = flow->in_len < flow->out_len ? flow->in_len : flow->out_len;
    uint64_t left = c->bytes_max - c->bytes;
    if (n > left)
        return WEIR_CODING_EBYTES;
    if (n > 0) {
        memcpy(flow->out, flow->in, n);
        flow->in += n;
        flow->out += n;
    }
    flow->in_len -= n;
    flow->out_len -= n;
    c->bytes += n;
    if (flow->in_len > 0)
        return WEIR_FLOW_OUT;
    return is_last ? WEIR_FLOW_END : WEIR_FLOW_IN;
}

/* Runs one stage between what surrounds it; `has_put` says whether something came out. */
static int run(struct weir__decode_chain *c, size_t at, struct weir__flow *flow, bool is_last,
               bool *has_put)
{
    struct stage *s = &c->stages[at], *before = at > 0 ? s - 1 : NULL;
    bool is_end = at + 1 == c->count;
    struct weir__flow f = *flow;
    if (before != NULL) {
        f.in = before->bytes + before->from;
        f.in_len = before->to - before->from;
        is_last = before->is_over;
    }
    if (!is_end) {
        WEIR_ASSERT(s->from == s->to, "W10: a stage runs when what it put out has been taken");
        s->from = s->to = 0;
        f.out = s->bytes;
        f.out_len = BETWEEN_BYTES;
    }
    size_t room = f.out_len;
    int state = weir__decoder_step(s->decoder, &f, is_last);
    *has_put = f.out_len < room;
    s->is_over = state == WEIR_FLOW_END;
    if (before != NULL) {
        before->from = before->to - f.in_len;
    } else {
        flow->in = f.in;
        flow->in_len = f.in_len;
    }
    if (!is_end) {
        s->to = BETWEEN_BYTES - f.out_len;
    } else {
        flow->out = f.out;
        flow->out_len = f.out_len;
    }
    return state;
}

static int step(struct weir__decode_chain *c, struct weir__flow *flow, bool is_last)
{
    size_t at = c->count - 1; /* what waits in between goes first */
    for (;;) {
        bool has_put;
        int state = run(c, at, flow, is_last, &has_put);
        bool is_end = at + 1 == c->count;
        if (state < 0 || (is_end && state != WEIR_FLOW_IN))
            return state;
        if (!is_end && (has_put || state == WEIR_FLOW_END))
            at++;
        else if (at > 0)
            at--;
        else
            return WEIR_FLOW_IN;
    }
}

int weir__decode_chain_step(struct weir__decode_chain *c, struct weir__flow *flow, bool is_last)
{
    if (c->err != WEIR_OK)
        return c->err;
    int state = c->count == 0 ? pass_on(c, flow, is_last) : step(c, flow, is_last);
    if (state < 0)
        c->err = state;
    return state;
}
