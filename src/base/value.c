/*
 * Values that are texts outside: from a text to a member with a message for people where it is
 * none, against a member's options, and back to a text.
 */
#include "base/value.h"

#include "base/json_decode.h"

static void *at(const struct weir__member *m, void *object)
{
    return (char *)object + m->offset;
}

static const void *at_const(const struct weir__member *m, const void *object)
{
    return (const char *)object + m->offset;
}

/* --- checks ----------------------------------------------------------------------------------- */

static bool check_decimal(struct weir__report *r, const struct weir__path *path,
                          const struct weir__member *m, const weir_decimal *d)
{
    bool is_small = m->bound.d.min != NULL && weir_decimal_cmp(*d, *m->bound.d.min) < 0;
    bool is_large = m->bound.d.max != NULL && weir_decimal_cmp(*d, *m->bound.d.max) > 0;
    if (WEIR_LIKELY(!is_small && !is_large))
        return true;
    char bound[WEIR_DECIMAL_TEXT_MAX], value[WEIR_DECIMAL_TEXT_MAX];
    weir_decimal_text(is_small ? *m->bound.d.min : *m->bound.d.max, bound);
    weir_decimal_text(*d, value);
    weir__report_add(r, path, "must be at %s %s, is %s", is_small ? "least" : "most", bound, value);
    return false;
}

static bool check_bytes(struct weir__report *r, const struct weir__path *path,
                        const struct weir__member *m, size_t len)
{
    if (WEIR_LIKELY(len >= m->bound.len.min && len <= m->bound.len.max))
        return true;
    return weir__report_len(r, path, m, len, "byte");
}

bool weir__value_check(struct weir__report *r, const struct weir__path *path,
                       const struct weir__member *m, const void *object)
{
    const void *value = at_const(m, object);
    if (m->kind == WEIR_KIND_DECIMAL)
        return check_decimal(r, path, m, value);
    if (m->kind == WEIR_KIND_BLOB)
        return check_bytes(r, path, m, ((const weir_blob *)value)->len);
    return check_bytes(r, path, m, ((const weir_raw_json *)value)->text.len);
}

/* --- from texts ------------------------------------------------------------------------------- */

static bool bind_wall(struct weir__report *r, const struct weir__path *path, weir_str text,
                      weir_wall *out)
{
    weir_err err = weir_wall_parse(text, out);
    if (err == -ERANGE)
        weir__report_add(r, path, "must be a time of the years 1 to 9999");
    else if (err < 0)
        weir__report_add(r, path, "must be a time like 2024-02-29T12:30:00Z");
    return err == WEIR_OK;
}

static bool bind_uuid(struct weir__report *r, const struct weir__path *path, weir_str text,
                      weir_uuid *out)
{
    if (weir_uuid_parse(text, out) == WEIR_OK)
        return true;
    weir__report_add(r, path, "must be a UUID");
    return false;
}

static bool bind_decimal(struct weir__report *r, const struct weir__path *path,
                         const struct weir__member *m, weir_str text, weir_decimal *out)
{
    weir_decimal d;
    weir_err err = weir_decimal_parse(text, &d);
    if (err == -ERANGE)
        weir__report_add(r, path, "must be a number of at most %d digits", WEIR_DECIMAL_DIGITS_MAX);
    else if (err < 0)
        weir__report_add(r, path, "must be a decimal number");
    if (err < 0 || !check_decimal(r, path, m, &d))
        return false;
    *out = d;
    return true;
}

static bool bind_blob(struct weir__report *r, const struct weir__path *path,
                      const struct weir__member *m, weir_str text, weir_blob *out)
{
    size_t len;
    unsigned char *bytes = weir__arena_alloc_aligned(r->arena, text.len / 4 * 3 + 3, 1);
    if (bytes == NULL) {
        weir__report_no_memory(r);
        return false;
    }
    if (weir__base64_get(text, bytes, &len) < 0) {
        weir__report_add(r, path, "must be base64");
        return false;
    }
    if (!check_bytes(r, path, m, len))
        return false;
    *out = (weir_blob){bytes, len};
    return true;
}

bool weir__value_bind(struct weir__report *r, const struct weir__path *path,
                      const struct weir__member *m, weir_str text, void *object)
{
    switch (m->kind) {
    case WEIR_KIND_WALL:
        return bind_wall(r, path, text, at(m, object));
    case WEIR_KIND_UUID:
        return bind_uuid(r, path, text, at(m, object));
    case WEIR_KIND_DECIMAL:
        return bind_decimal(r, path, m, text, at(m, object));
    default:
        return bind_blob(r, path, m, text, at(m, object));
    }
}

bool weir__value_set_json(struct weir__report *r, const struct weir__path *path,
                          const struct weir__member *m, weir_str text, void *object)
{
    if (!check_bytes(r, path, m, text.len))
        return false;
    ((weir_raw_json *)at(m, object))->text = text;
    return true;
}

/* --- to texts --------------------------------------------------------------------------------- */

size_t weir__value_put(const struct weir__member *m, const void *object, char *out)
{
    const void *value = at_const(m, object);
    switch (m->kind) {
    case WEIR_KIND_WALL:
        return weir_wall_text(*(const weir_wall *)value, out);
    case WEIR_KIND_UUID:
        return weir_uuid_text(*(const weir_uuid *)value, out);
    default:
        return weir_decimal_text(*(const weir_decimal *)value, out);
    }
}
