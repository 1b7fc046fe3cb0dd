/*
 * Input into structs, by their models: JSON bodies, forms, queries, path parameters. What is wrong
 * is noted in the request, one line a field, so that weir_fail_bind can say it without being given
 * anything.
 *
 * The Content-Type is checked first: a form posted by a foreign page arrives without a preflight,
 * JSON does not, so to take one for the other would open a door.
 */
#include "base/given.h"
#include "base/json_decode.h"
#include "base/validate.h"
#include "web/web.h"
#include "wire/url.h"

static bool ends_with(weir_str s, weir_str end)
{
    if (s.len < end.len)
        return false;
    return weir_str_ieq((weir_str){s.ptr + s.len - end.len, end.len}, end);
}

/* True for application/json and application/anything+json. */
static bool is_json(weir_str type)
{
    struct weir__media_type m;
    if (WEIR_LIKELY(weir_str_eq(type, WEIR_S("application/json"))))
        return true;
    return weir__media_type_parse(type, &m) == WEIR_OK &&
           (weir__media_type_is(&m, WEIR_S("application"), WEIR_S("json")) ||
            ends_with(m.subtype, WEIR_S("+json")));
}

static bool is_form(weir_str type)
{
    struct weir__media_type m;
    return weir__media_type_parse(type, &m) == WEIR_OK &&
           weir__media_type_is(&m, WEIR_S("application"), WEIR_S("x-www-form-urlencoded"));
}

/* The decoder's result; memory's errors are the caller's to return as they are. */
static weir_err decoded(struct weir__request *r, weir_err err, const weir_json_errors *errors)
{
    if (WEIR_LIKELY(err == WEIR_OK))
        return WEIR_OK;
    if (err == WEIR_EINVALID)
        return weir__bind_failed(r, err, 400, "the input is not valid", errors);
    if (err == WEIR_ETOOLARGE)
        return weir__bind_failed(r, err, 413, "the body is too large", NULL);
    return weir__bind_failed(r, err, 503, "there is no memory for this input", NULL);
}

/* The body, when it says that it is JSON. */
static weir_err json_body(weir_ctx *c, struct weir__request *r, weir_str *body)
{
    if (!is_json(weir__exchange_field(r->x, WEIR_FIELD_CONTENT_TYPE)))
        return weir__bind_failed(r, WEIR_EINVALID, 415,
                                 "the body must be sent as Content-Type: application/json", NULL);
    return weir_body(c, 0, body);
}

weir_err weir_bind_json_at(weir_ctx *c, const weir_model *model, void *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(model, "the model");
    weir__given(out, "the object");
    struct weir__request *r = weir__request_of(c);
    weir_str body = {0};
    weir_err err = json_body(c, r, &body);
    if (WEIR_UNLIKELY(err < 0)) {
        memset(out, 0, model->size);
        return err;
    }
    weir_json_errors errors;
    errors.count = errors.total = 0;
    weir_json_limits limits = {.bytes_max = body.len + 1};
    err = weir__json_decode(weir__ctx_arena(weir__ctx_of(c)), body, model, out, &limits, &errors);
    return decoded(r, err, &errors);
}

/* --- pairs -------------------------------------------------------------------------------- */

/* One pair. What is wrong with it is reported; memory's errors are returned. */
static weir_err bind_pair(struct weir__ctx *c, struct weir__binder *b, weir_str name,
                          weir_str value)
{
    weir_err err = weir__decode(c, WEIR__ENCODING_FORM, name, &name);
    if (err == WEIR_EINVALID) {
        weir__report_add(&b->report, NULL, "has a name that is not percent-encoded right");
        return WEIR_OK;
    }
    if (err == WEIR_OK)
        err = weir__decode(c, WEIR__ENCODING_FORM, value, &value);
    if (err == WEIR_OK)
        weir__bind_text(b, name, value);
    else if (err == WEIR_EINVALID)
        weir__bind_bad(b, name, "is not percent-encoded right");
    return err == WEIR_EINVALID ? WEIR_OK : err;
}

static weir_err bind_pairs(weir_ctx *c, weir_str pairs, const weir_model *model, void *out)
{
    struct weir__request *r = weir__request_of(c);
    struct weir__binder b;
    weir_json_errors errors;
    errors.count = errors.total = 0;
    weir__bind_begin(&b, weir__ctx_arena(weir__ctx_of(c)), model, out, &errors);
    weir_str name, value;
    while (weir__url_pair_next(&pairs, &name, &value)) {
        weir_err err = bind_pair(weir__ctx_of(c), &b, name, value);
        if (err < 0)
            return decoded(r, err, NULL);
    }
    return decoded(r, weir__bind_end(&b), &errors);
}

weir_err weir_bind_query_at(weir_ctx *c, const weir_model *model, void *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(model, "the model");
    weir__given(out, "the object");
    return bind_pairs(c, weir__exchange_query(weir__request_of(c)->x), model, out);
}

weir_err weir_bind_form_at(weir_ctx *c, const weir_model *model, void *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(model, "the model");
    weir__given(out, "the object");
    struct weir__request *r = weir__request_of(c);
    weir_str body;
    memset(out, 0, model->size);
    if (!is_form(weir__exchange_field(r->x, WEIR_FIELD_CONTENT_TYPE)))
        return weir__bind_failed(
            r, WEIR_EINVALID, 415,
            "the body must be sent as Content-Type: application/x-www-form-urlencoded", NULL);
    weir_err err = weir_body(c, 0, &body);
    return err < 0 ? err : bind_pairs(c, body, model, out);
}

weir_err weir_bind_path_at(weir_ctx *c, const weir_model *model, void *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(model, "the model");
    weir__given(out, "the object");
    struct weir__request *r = weir__request_of(c);
    struct weir__binder b;
    weir_json_errors errors;
    errors.count = errors.total = 0;
    weir__bind_begin(&b, weir__ctx_arena(weir__ctx_of(c)), model, out, &errors);
    for (size_t i = 0; r->match.kind == WEIR__ROUTE_FOUND && i < r->match.param_count; i++) {
        weir_str value;
        weir_err err = weir__param_at(weir__ctx_of(c), r, i, &value);
        if (err < 0)
            return decoded(r, err, NULL);
        weir__bind_text(&b, r->match.names[i], value);
    }
    return decoded(r, weir__bind_end(&b), &errors);
}
