/*
 * Request heads. The input is what a client sends. The parser and the slow one of http1_reference.h
 * must agree on the status, the length and all that was read; any split of the bytes gives the same
 * result, errors included (W3); what follows the head changes nothing; and a head that was read and
 * is written again, one blank after each colon, reads as the same.
 */
#include "base/fuzz.h"
#include "wire/http1_pieces.h"
#include "wire/http1_reference.h"

/* The usual ones mostly, else some that the input comes close to. */
static struct weir__http_limits some_limits(struct fuzz_dice *dice, size_t size)
{
    struct weir__http_limits l = {16384, 8192, REF_FIELDS_MAX};
    if (fuzz_below(dice, 8) == 0)
        l.head_bytes_max = (uint32_t)(size + fuzz_below(dice, 3));
    if (fuzz_below(dice, 8) == 0)
        l.head_bytes_max = (uint32_t)(20 + fuzz_below(dice, 300));
    if (fuzz_below(dice, 8) == 0)
        l.line_bytes_max = (uint32_t)(10 + fuzz_below(dice, 60));
    if (fuzz_below(dice, 8) == 0)
        l.fields_max = (uint32_t)(1 + fuzz_below(dice, 8));
    return l;
}

static void check_split(const struct weir__http_head *whole, int rc, weir_str in, size_t cut,
                        size_t step, const struct weir__http_limits *limits)
{
    static struct weir__http_head pieces;
    int again = parse_in_pieces(&pieces, in.ptr, in.len, cut, step, limits);
    FUZZ_CHECK(again == rc, "whole %d; first %zu bytes, then %zu at a time: %d", rc, cut, step,
               again);
    FUZZ_CHECK(rc <= 0 || is_same_head(whole, &pieces), "first %zu bytes, then %zu at a time", cut,
               step);
}

static void check_splits(const struct weir__http_head *whole, int rc, weir_str in,
                         const struct weir__http_limits *limits, struct fuzz_dice *dice)
{
    check_split(whole, rc, in, 1, 1, limits);
    for (int i = 0; i < 4; i++)
        check_split(whole, rc, in, fuzz_below(dice, in.len + 1), 1 + fuzz_below(dice, 40), limits);
}

/* A head ends where it ends, whatever comes behind it. */
static void check_rest(const struct weir__http_head *whole, int rc, weir_str in,
                       const struct weir__http_limits *limits)
{
    static struct weir__http_head other;
    static const char more[] = "\r\n\n\0GET / HTTP/1.1\r\nHost: other\r\n\r\n";
    char *longer = fuzz_alloc((size_t)rc + sizeof more);
    memcpy(longer, in.ptr, (size_t)rc);
    memcpy(longer + rc, more, sizeof more);
    weir__http_head_init(&other);
    int again = parse_moved(&other, longer, (size_t)rc + sizeof more, limits);
    FUZZ_CHECK(again == rc && is_same_head(whole, &other), "with more behind it: %d", again);
    weir__http_head_init(&other);
    again = parse_moved(&other, longer, (size_t)rc, limits);
    FUZZ_CHECK(again == rc && is_same_head(whole, &other), "with nothing behind it: %d", again);
    free(longer);
}

static bool same(weir_str a, weir_str b)
{
    return (a.ptr != NULL) == (b.ptr != NULL) && weir_str_eq(a, b);
}

/* What is decided, and the parts of the target, but not where they stand. */
static void check_same_meaning(const struct weir__http_head *a, const char *a_buf,
                               const struct weir__http_head *b, const char *b_buf)
{
    FUZZ_CHECK(a->content_length == b->content_length && a->method == b->method &&
                   a->form == b->form && a->body == b->body && a->minor == b->minor &&
                   a->keep_alive == b->keep_alive && a->expect_continue == b->expect_continue &&
                   a->upgrade == b->upgrade && a->path_is_plain == b->path_is_plain &&
                   a->has_query == b->has_query && a->has_port == b->has_port &&
                   a->is_https == b->is_https && a->port == b->port,
               "written again it is another request");
    FUZZ_CHECK(same(weir__http_head_path(a, a_buf), weir__http_head_path(b, b_buf)),
               "the path changed");
    FUZZ_CHECK(same(weir__http_head_str(a_buf, a->host), weir__http_head_str(b_buf, b->host)),
               "the host changed");
    FUZZ_CHECK(a->nfields == b->nfields, "%d fields became %d", a->nfields, b->nfields);
    FUZZ_CHECK(memcmp(a->slots, b->slots, sizeof a->slots) == 0, "the slots changed");
    for (unsigned i = 0; i < a->nfields; i++)
        FUZZ_CHECK(same(weir__http_head_name(a, a_buf, i), weir__http_head_name(b, b_buf, i)) &&
                       same(weir__http_head_value(a, a_buf, i), weir__http_head_value(b, b_buf, i)),
                   "field %u changed", i);
}

static size_t put(char *to, size_t at, weir_str s)
{
    memcpy(to + at, s.ptr, s.len);
    return at + s.len;
}

/* No byte of a name or a value can be taken for framing by whoever writes it on. */
static void check_written_again(const struct weir__http_head *h, const char *buf)
{
    static struct weir__http_head again;
    static char text[2 * REF_BYTES_MAX];
    size_t n = put(text, 0, weir__http_head_str(buf, h->method_token));
    n = put(text, n, WEIR_S(" "));
    n = put(text, n, weir__http_head_str(buf, h->target));
    n = put(text, n, h->minor == 0 ? WEIR_S(" HTTP/1.0\r\n") : WEIR_S(" HTTP/1.1\r\n"));
    for (unsigned i = 0; i < h->nfields; i++) {
        weir_str name = weir__http_head_name(h, buf, i);
        weir_str value = weir__http_head_value(h, buf, i);
        FUZZ_CHECK(weir__http_name_is_valid(name) && weir__http_value_is_valid(value),
                   "field %u may be received, but not sent", i);
        n = put(text, n, name);
        n = put(text, n, WEIR_S(": "));
        n = put(text, n, value);
        n = put(text, n, WEIR_S("\r\n"));
    }
    n = put(text, n, WEIR_S("\r\n"));
    weir__http_head_init(&again);
    int rc = weir__http1_head_parse(&again, text, n, NULL);
    FUZZ_CHECK(rc == (int)n, "written again: %d of %zu bytes", rc, n);
    check_same_meaning(h, buf, &again, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct weir__http_head h;
    static struct ref r;
    if (size > REF_BYTES_MAX)
        return 0;
    struct fuzz_dice dice = fuzz_dice_of(data, size);
    const struct weir__http_limits limits = some_limits(&dice, size);
    char *bytes = fuzz_copy(data, size);
    weir_str in = {bytes, size};
    weir__http_head_init(&h);
    int rc = weir__http1_head_parse(&h, bytes, size, &limits);
    ref_parse(&r, bytes, size, &limits);
    FUZZ_CHECK(ref_agrees(&h, bytes, rc, &r), "%d (%s), the reference %d, %zu bytes", rc,
               rc < 0 ? weir__http1_error_text(rc) : "", r.status, r.used);
    check_splits(&h, rc, in, &limits, &dice);
    if (rc > 0) {
        check_rest(&h, rc, in, &limits);
        check_written_again(&h, bytes);
    }
    free(bytes);
    return 0;
}
