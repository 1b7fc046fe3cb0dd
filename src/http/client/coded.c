/*
 * Content codings (RFC 9110 section 8.4): unpacking what was asked for packed, whether it came with
 * its head or comes in pieces, and packing what is sent.
 *
 * The one hard thing is the bomb: a body that grows by a thousand. It ends as an error that says
 * so, by bytes and by ratio; what stands in memory meanwhile is a window and one piece.
 *
 * Owns the decoder of a reply and the piece that goes into it. Context: fibers; waits as reading
 * does.
 */
#include "http/client/client.h"

#include "base/alloc.h"
#include "wire/compress_whole.h"
#include "wire/decode_chain.h"

#define PIECE_BYTES 16384

struct weir__client_coded {
    struct weir__decode_chain *chain;
    const char *in; /* what is to be unpacked next: of `piece`, or of the body that came whole */
    size_t in_len;
    char piece[]; /* of PIECE_BYTES, unless the body came whole */
};

/* --- answers ---------------------------------------------------------------------------------- */

/* Has the client asked for it, and may it be unpacked by itself? */
static bool is_to_be_unpacked(const weir_reply *r)
{
    bool has_body = r->kind != WEIR__ANSWER_NONE || r->whole.len > 0;
    return r->asks_coding && has_body && r->status != 206 &&
           weir__client_field(r, "content-encoding").len > 0;
}

static weir_err fail(weir_reply *r, int rc)
{
    const weir_http_options *o = &r->http->o;
    if (rc == -ENOMEM)
        return weir__client_fail(r, rc, "its body cannot be unpacked: %s", weir_strerror(rc));
    if (rc == WEIR_CODING_EBYTES || rc == WEIR_CODING_ERATIO || rc == WEIR_CODING_EWINDOW)
        return weir__client_fail(r, WEIR_ETOOLARGE,
                                 "after %llu bytes of the body: %s: .unpacked_bytes_max is %llu, "
                                 ".unpacked_ratio_max %u",
                                 (unsigned long long)r->got, weir__coding_error_text(rc),
                                 (unsigned long long)o->unpacked_bytes_max, o->unpacked_ratio_max);
    return weir__client_fail(r, WEIR_EPROTO, "a malformed body: %s", weir__coding_error_text(rc));
}

/* The lines of a field are one list (RFC 9110 section 5.3); without room it is too long a chain. */
static int make_chain(const weir_reply *r, const struct weir__decode_limits *limits,
                      struct weir__decode_chain **out)
{
    char bytes[256];
    weir_buf all;
    weir_buf_init_fixed(&all, bytes, sizeof bytes);
    for (unsigned i = 0; i < r->field_count; i++) {
        const struct weir__http_line *f = &r->fields[i];
        weir_str name = {r->head + f->name.off, f->name.len};
        weir_str value = {r->head + f->value.off, f->value.len};
        if (weir_str_ieq(name, WEIR_S("content-encoding")))
            weir_buf_printf(&all, "%s" WEIR_STR_FMT, all.len > 0 ? ", " : "", WEIR_STR_ARG(value));
    }
    return all.err < 0 ? WEIR_CODING_ECHAIN
                       : weir__decode_chain_new(weir_buf_str(&all), limits, out);
}

bool weir__client_coded_begin(weir_reply *r)
{
    if (!is_to_be_unpacked(r))
        return true;
    const struct weir__decode_limits limits = {.bytes_max = r->http->o.unpacked_bytes_max,
                                               .ratio_max = r->http->o.unpacked_ratio_max};
    bool is_whole = r->kind == WEIR__ANSWER_NONE;
    struct weir__client_coded *k = weir__malloc(sizeof *k + (is_whole ? 0 : PIECE_BYTES));
    if (k == NULL)
        return fail(r, -ENOMEM) == WEIR_OK;
    *k = (struct weir__client_coded){.in = r->whole.ptr, .in_len = r->whole.len};
    int rc = make_chain(r, &limits, &k->chain);
    if (rc != 0 || weir__decode_chain_is_plain(k->chain)) {
        weir__decode_chain_free(k->chain);
        weir__free(k);
        return rc == 0 || fail(r, rc) == WEIR_OK;
    }
    r->coded = k;
    r->whole = (weir_str){NULL, 0};
    return true;
}

void weir__client_coded_end(weir_reply *r)
{
    struct weir__client_coded *k = r->coded;
    r->coded = NULL;
    if (k == NULL)
        return;
    weir__decode_chain_free(k->chain);
    weir__free(k);
}

/* As far as what is there goes: a state of struct weir__flow, or an error; `*n` bytes came out. */
static int unpack(weir_reply *r, char *to, size_t size, size_t *n)
{
    struct weir__client_coded *k = r->coded;
    struct weir__flow flow = {k->in, k->in_len, to, size};
    int rc = weir__decode_chain_step(k->chain, &flow, r->kind == WEIR__ANSWER_NONE);
    k->in = flow.in;
    k->in_len = flow.in_len;
    *n = size - flow.out_len;
    return rc;
}

ssize_t weir__client_coded_read(weir_reply *r, void *bytes, size_t size,
                                ssize_t (*raw)(weir_reply *r, void *bytes, size_t size))
{
    for (;;) {
        size_t n;
        int rc = unpack(r, bytes, size, &n);
        if (rc == WEIR_FLOW_END)
            weir__client_coded_end(r);
        if (n > 0 || rc == WEIR_FLOW_END)
            return (ssize_t)n; /* an error stays: the next call has it */
        if (rc < 0)
            return fail(r, rc);
        WEIR_ASSERT(r->kind != WEIR__ANSWER_NONE, "C11: the end of what is packed ends the body");
        ssize_t got = raw(r, r->coded->piece, PIECE_BYTES);
        if (got < 0)
            return got;
        r->coded->in = r->coded->piece;
        r->coded->in_len = (size_t)got;
    }
}

/* --- requests --------------------------------------------------------------------------------- */

weir_err weir__client_pack(weir_reply *r, weir_buf *out)
{
    struct weir__packer *packer;
    const char *name = r->call->pack;
    enum weir__coding coding = weir__coding_of(weir_str_from(name));
    if (coding == WEIR_CODING_COUNT || coding == WEIR_CODING_IDENTITY)
        return weir__client_fail(
            r, WEIR_EINVALID, ".pack is \"%.40s\"; allowed: \"gzip\", \"deflate\", \"br\"", name);
    int rc = weir__packer_new(coding, 0, &packer);
    if (rc == 0) {
        rc = weir__packer_pack(packer, r->body, out);
        weir__packer_free(packer);
    }
    if (rc != 0)
        return weir__client_fail(r, rc, "its body cannot be packed as %.40s: %s", name,
                                 weir__coding_error_text(rc));
    r->body = weir_buf_str(out);
    return WEIR_OK;
}
