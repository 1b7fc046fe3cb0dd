/*
 * The one door through which percent-encoded input comes: path parameters, query and form values,
 * for getters and binders alike, so that they agree on what is an error. A value is one of four:
 * not given (absent), text, not encoded right (400), not to be decoded for lack of memory (503).
 * The last two are noted in the request under the value's name, for weir_fail_bind.
 */
#include "web/web.h"
#include "wire/url.h"

weir_err weir__decode(struct weir__ctx *c, enum weir__encoding encoding, weir_str raw,
                      weir_str *out)
{
    bool is_form = encoding == WEIR__ENCODING_FORM;
    *out = raw;
    if (raw.ptr == NULL || (is_form ? weir__url_form_is_plain(raw) : weir__url_is_plain(raw)))
        return WEIR_OK;
    *out = (weir_str){NULL, 0};
    char *text = weir__ctx_alloc(c, raw.len + 1);
    if (text == NULL)
        return weir__ctx_arena(c)->is_over_budget ? WEIR_EBUDGET : -ENOMEM;
    int n = is_form ? weir__url_decode_form(raw, text) : weir__url_decode(raw, text);
    if (n < 0)
        return WEIR_EINVALID;
    text[n] = '\0';
    *out = (weir_str){text, (size_t)n};
    return WEIR_OK;
}

weir_err weir__input_refused(struct weir__request *r, weir_str name, const char *what)
{
    weir_json_errors errors = {.count = 1, .total = 1};
    weir_str pointer =
        weir_sprintf(weir__ctx_handle(r->x->ctx), "/" WEIR_STR_FMT, WEIR_STR_ARG(name));
    errors.items[0].pointer = pointer.ptr != NULL ? pointer : WEIR_S("");
    errors.items[0].message = weir_str_from(what);
    return weir__bind_failed(r, WEIR_EINVALID, 400, "the input is not valid", &errors);
}

weir_err weir__input_failed(struct weir__request *r, weir_str name, weir_err err)
{
    if (err == WEIR_EINVALID)
        return weir__input_refused(r, name, "is not percent-encoded right");
    return weir__bind_failed(r, err, 503, "there is no memory for this input", NULL);
}
