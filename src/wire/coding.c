/*
 * Names and choices of codings. No bytes are packed here.
 *
 * The choice follows RFC 9110 section 12.5.3 to the letter where it speaks: no field, anything goes
 * (and identity is the answer, since a client that says nothing may be one that cannot unpack);
 * identity is acceptable unless it, or "*" without it, has the weight 0.
 */
#include "wire/coding.h"

#include "wire/http_field.h"

static const struct {
    weir_str name;
    bool is_built;
} codings[WEIR_CODING_COUNT] = {
    [WEIR_CODING_IDENTITY] = {{"identity", 8}, true},
    [WEIR_CODING_GZIP] = {{"gzip", 4}, true},
    [WEIR_CODING_DEFLATE] = {{"deflate", 7}, true},
    [WEIR_CODING_BROTLI] = {{"br", 2}, WEIR_BROTLI},
    [WEIR_CODING_RAW] = {{"", 0}, true},
    [WEIR_CODING_MESSAGE] = {{"", 0}, true},
};

const char *weir__coding_error_text(int err)
{
    static const char *const texts[] = {
        [0] = "it is not in the coding that it is said to be in",
        [WEIR_CODING_EDATA - WEIR_CODING_EFORMAT] = "its coded data is broken",
        [WEIR_CODING_ECHECKSUM - WEIR_CODING_EFORMAT] = "its checksum or length does not agree",
        [WEIR_CODING_ECUT - WEIR_CODING_EFORMAT] = "it is cut: the coded data has no end",
        [WEIR_CODING_ERUBBISH - WEIR_CODING_EFORMAT] = "bytes follow the end of the coded data",
        [WEIR_CODING_EBYTES - WEIR_CODING_EFORMAT] = "unpacked it is larger than allowed",
        [WEIR_CODING_ERATIO - WEIR_CODING_EFORMAT] =
            "unpacked it grows by more than allowed, as a bomb does",
        [WEIR_CODING_EWINDOW - WEIR_CODING_EFORMAT] = "unpacking takes more memory than allowed",
        [WEIR_CODING_EUNKNOWN - WEIR_CODING_EFORMAT] = "an unknown coding",
        [WEIR_CODING_ECHAIN - WEIR_CODING_EFORMAT] = "more codings on each other than allowed (3)",
    };
    if (err < WEIR_CODING_EFORMAT || err >= WEIR_CODING_ERROR_END)
        return weir_strerror(err);
    return texts[err - WEIR_CODING_EFORMAT];
}

bool weir__coding_is_built(enum weir__coding coding)
{
    return codings[coding].is_built;
}

weir_str weir__coding_name(enum weir__coding coding)
{
    return codings[coding].name;
}

enum weir__coding weir__coding_of(weir_str name)
{
    if (weir_str_ieq(name, WEIR_S("x-gzip"))) /* RFC 9110 section 8.4.1.3 */
        return WEIR_CODING_GZIP;
    for (int i = 0; i < WEIR_CODING_RAW; i++) {
        if (weir_str_ieq(name, codings[i].name))
            return (enum weir__coding)i;
    }
    return WEIR_CODING_COUNT;
}

/* ---- Accept-Encoding ---- */

/*
 * What the list gives a coding; -1 when it says nothing of it. Of gzip's two names the one that
 * the list has counts, and not the other one's wild card.
 */
static int weight_of(weir_str accept, enum weir__coding coding)
{
    int q = weir__http_accept_q(accept, codings[coding].name);
    if (coding != WEIR_CODING_GZIP)
        return q;
    int old = weir__http_accept_q(accept, WEIR_S("x-gzip"));
    return old != weir__http_accept_q(accept, WEIR_S("*")) && old > q ? old : q;
}

bool weir__coding_choose(weir_str accept, const enum weir__coding *offers, size_t count,
                         enum weir__coding *out)
{
    *out = WEIR_CODING_IDENTITY;
    if (accept.ptr == NULL)
        return true;
    int plain = weir__http_accept_q(accept, codings[WEIR_CODING_IDENTITY].name);
    int best = 0;
    for (size_t i = 0; i < count; i++) {
        bool may_be = offers[i] != WEIR_CODING_IDENTITY && codings[offers[i]].is_built;
        int q = may_be ? weight_of(accept, offers[i]) : 0;
        if (q > best) {
            best = q;
            *out = offers[i];
        }
    }
    /* Identity that is liked better, or was offered before what is liked as much. */
    if (plain > best || (plain == best && count > 0 && offers[0] == WEIR_CODING_IDENTITY))
        *out = WEIR_CODING_IDENTITY;
    return best > 0 || plain != 0;
}

weir_str weir__coding_accepted(void)
{
    return codings[WEIR_CODING_BROTLI].is_built ? WEIR_S("gzip, deflate, br")
                                                : WEIR_S("gzip, deflate");
}

/* ---- Content-Encoding ---- */

int weir__coding_list_parse(weir_str value, enum weir__coding out[WEIR__CODINGS_MAX], size_t *count)
{
    *count = 0;
    for (weir_str name; weir__http_list_next(&value, &name);) {
        enum weir__coding coding = weir__coding_of(name);
        if (coding == WEIR_CODING_IDENTITY)
            continue;
        if (coding == WEIR_CODING_COUNT)
            return WEIR_CODING_EUNKNOWN;
        if (!codings[coding].is_built)
            return WEIR_ENOTBUILT;
        if (*count == WEIR__CODINGS_MAX)
            return WEIR_CODING_ECHAIN;
        out[(*count)++] = coding;
    }
    return WEIR_OK;
}
