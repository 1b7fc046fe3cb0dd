/*
 * What all codings share when they are unpacked: limits, members, ends. The libraries are behind
 * tables (decompress_zlib.c, decompress_brotli.c).
 *
 * The one hard thing is the end. A library says that its data is complete; whether the body is
 * depends on what follows: nothing, a further member of gzip, or rubbish. So the end is told only
 * when the caller says that nothing follows.
 *
 * The bound on bytes is exact: no byte past it is ever put out, and to know whether there is one,
 * the library is offered a byte that is thrown away.
 */
#include "wire/decompress.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/decompress_inside.h"

enum { GZIP_MAGIC = 0x1f };

static const struct weir__decode_limits defaults = {
    .bytes_max = 64 << 20,
    .ratio_max = 200,
    .ratio_bytes_min = 1 << 20,
    .memory_bytes_max = 24 << 20,
};

struct weir__decode_limits weir__decode_limits_of(const struct weir__decode_limits *given)
{
    struct weir__decode_limits l = given != NULL ? *given : defaults;
    if (l.bytes_max == 0)
        l.bytes_max = defaults.bytes_max;
    if (l.ratio_max == 0)
        l.ratio_max = defaults.ratio_max;
    if (l.ratio_bytes_min == 0)
        l.ratio_bytes_min = defaults.ratio_bytes_min;
    if (l.memory_bytes_max == 0)
        l.memory_bytes_max = defaults.memory_bytes_max;
    return l;
}

int weir__decoder_new(enum weir__coding coding, const struct weir__decode_limits *limits,
                      struct weir__decoder **out)
{
    *out = NULL;
    if (coding == WEIR_CODING_IDENTITY)
        return WEIR_EINVALID;
    if (!weir__coding_is_built(coding))
        return WEIR_ENOTBUILT;
    struct weir__decoder *d = weir__calloc(1, sizeof *d);
    if (d == NULL)
        return -ENOMEM;
    d->ops = coding == WEIR_CODING_BROTLI ? weir__decoder_brotli : &weir__decoder_zlib;
    d->coding = coding;
    d->limits = weir__decode_limits_of(limits);
    d->heap.bytes_max = d->limits.memory_bytes_max;
    int rc = d->ops->begin(d);
    if (rc != 0) {
        weir__decoder_free(d);
        return rc;
    }
    *out = d;
    return WEIR_OK;
}

void weir__decoder_free(struct weir__decoder *d)
{
    if (d == NULL)
        return;
    d->ops->end(d);
    WEIR_ASSERT(d->heap.used == 0, "W7: a coding gives back what it took");
    weir__free(d);
}

int weir__decoder_reset(struct weir__decoder *d)
{
    d->in = d->out = 0;
    d->is_at_end = d->has_members = d->heap.is_refused = false;
    d->err = d->ops->reset(d);
    return d->err;
}

uint64_t weir__decoder_in(const struct weir__decoder *d)
{
    return d->in;
}

uint64_t weir__decoder_out(const struct weir__decoder *d)
{
    return d->out;
}

/* ---- a step ---- */

static bool grows_too_much(const struct weir__decoder *d)
{
    uint64_t most;
    if (d->out <= d->limits.ratio_bytes_min)
        return false;
    return !__builtin_mul_overflow(d->in, d->limits.ratio_max, &most) && d->out > most;
}

/* Runs the library into what is left of the bound; past it into a byte that nobody gets. */
static int run(struct weir__decoder *d, struct weir__flow *flow)
{
    char spare = 0;
    uint64_t left = d->limits.bytes_max - d->out;
    bool is_full = left == 0 && flow->out_len > 0;
    size_t room = flow->out_len < left ? flow->out_len : (size_t)left;
    struct weir__flow f = {flow->in, flow->in_len, is_full ? &spare : flow->out,
                           is_full ? 1 : room};
    int state = d->ops->step(d, &f);
    WEIR_ASSERT(f.in_len <= flow->in_len, "W4: a library takes what it was given");
    d->in += flow->in_len - f.in_len;
    flow->in = f.in;
    flow->in_len = f.in_len;
    if (is_full)
        return f.out_len == 0 ? WEIR_CODING_EBYTES : state;
    size_t put = room - f.out_len;
    d->out += put;
    flow->out = f.out;
    flow->out_len -= put;
    if (state >= 0 && grows_too_much(d))
        return WEIR_CODING_ERATIO;
    return state;
}

/* The coded data is at its end and more has come. */
static int go_on(struct weir__decoder *d, const struct weir__flow *flow)
{
    bool is_member = d->coding == WEIR_CODING_GZIP && (unsigned char)flow->in[0] == GZIP_MAGIC;
    if (!is_member)
        return WEIR_CODING_ERUBBISH;
    d->has_members = true;
    d->is_at_end = false;
    return d->ops->reset(d);
}

/* The input is taken. A message ends where its input does, and the next one counts anew. */
static int at_input_end(struct weir__decoder *d, bool is_last)
{
    if (!is_last)
        return WEIR_FLOW_IN;
    if (d->in > 0 && !d->ops->may_end(d))
        return WEIR_CODING_ECUT;
    if (d->coding == WEIR_CODING_MESSAGE)
        d->in = d->out = 0;
    return WEIR_FLOW_END;
}

static int step(struct weir__decoder *d, struct weir__flow *flow, bool is_last)
{
    for (;;) {
        if (d->is_at_end && flow->in_len == 0)
            return at_input_end(d, is_last);
        int state = d->is_at_end ? go_on(d, flow) : WEIR_OK;
        if (state == WEIR_OK)
            state = run(d, flow);
        /* What follows a member and is none, as its second byte says, is rubbish. */
        if (state == WEIR_CODING_EFORMAT && d->has_members)
            return WEIR_CODING_ERUBBISH;
        if (state == WEIR_FLOW_IN)
            return at_input_end(d, is_last);
        /* Within the bound there was no room, and the caller has some: the bound is reached. */
        bool is_at_bound = state == WEIR_FLOW_OUT && flow->out_len > 0;
        if (state != WEIR_FLOW_END && !is_at_bound)
            return state;
        d->is_at_end = state == WEIR_FLOW_END;
    }
}

int weir__decoder_step(struct weir__decoder *d, struct weir__flow *flow, bool is_last)
{
    if (d->err != WEIR_OK)
        return d->err;
    int state = step(d, flow, is_last);
    if (state < 0)
        d->err = state;
    return state;
}
