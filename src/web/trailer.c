/*
 * Fields behind bodies: those of the request when it has been read, those of the response before it
 * ends. A mistake in one is told with its place, for it shows only at the other end.
 */
#include "base/given.h"
#include "web/web.h"
#include "wire/chunked.h"
#include "wire/trailer.h"

/* --- of the request ------------------------------------------------------------------------- */

static bool next(const struct weir__exchange *x, weir_header_iter *iter)
{
    weir_str all = weir__exchange_trailers(x);
    size_t at = iter->at < all.len ? iter->at : all.len;
    weir_str rest = {all.ptr + at, all.len - at};
    while (weir__trailer_next(&rest, &iter->name, &iter->value)) {
        iter->at = (uint32_t)(rest.ptr - all.ptr);
        if (iter->of.ptr == NULL || weir_str_ieq(iter->of, iter->name))
            return true;
    }
    iter->name = iter->value = (weir_str){NULL, 0};
    return false;
}

weir_str weir_trailer_of(weir_ctx *c, weir_str name)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    weir_header_iter t = {.of = name};
    return next(weir__request_of(c)->x, &t) ? t.value : (weir_str){NULL, 0};
}

bool weir_trailer_next(weir_ctx *c, weir_header_iter *iter)
{
    WEIR__FIBERS_ONLY(false);
    weir__given(iter, "the iterator");
    return next(weir__request_of(c)->x, iter);
}

bool weir_wants_trailers(weir_ctx *c)
{
    WEIR__FIBERS_ONLY(false);
    return weir__exchange_wants_trailers(weir__request_of(c)->x);
}

/* --- of the response ------------------------------------------------------------------------ */

static weir_err tell(const weir_site *site, weir_ctx *c, const char *name, weir_err err)
{
    if (err != WEIR_EINVALID)
        return err;
    return weir_raise_at(site, c, err, 0, "the trailer \"%.60s\" %s", name,
                         weir__trailer_mistake(weir_str_from(name)));
}

weir_err weir_add_trailer_at(const weir_site *site, weir_ctx *c, const char *name, weir_str value)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_to("weir_add_trailer", name, "the name");
    struct weir__exchange *x = weir__request_of_at(c, "weir_add_trailer")->x;
    return tell(site, c, name, weir__exchange_trailer_add(x, weir_str_from(name), value));
}

weir_err weir_announce_trailer_at(const weir_site *site, weir_ctx *c, const char *name)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_to("weir_announce_trailer", name, "the name");
    struct weir__exchange *x = weir__request_of_at(c, "weir_announce_trailer")->x;
    return tell(site, c, name, weir__exchange_trailer_announce(x, weir_str_from(name)));
}
