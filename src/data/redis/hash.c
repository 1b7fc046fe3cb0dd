/*
 * Hashes by model: a struct's members are the fields of a hash, by their names in C. Values are the
 * texts that JSON has of them, so what is written is read as the same.
 */
#include "data/redis/redis.h"

#include <string.h>

#include "base/given.h"
#include "base/num.h"
#include "base/validate.h"
#include "base/value.h"
#include "rt/outside.h"

/* --- reading ---------------------------------------------------------------------------------- */

static weir_err refuse_field(const weir_redis *redis, struct weir__ctx *c, const weir_site *site,
                             weir_str field, const weir_model *model)
{
    return weir_raise_at(site, weir__ctx_handle(c), WEIR_EDBTYPE, 0,
                         "redis %s: field %.*s does not fit its member of %s", redis->name,
                         (int)(field.len < 60 ? field.len : 60), field.ptr, model->name);
}

/* A bare value from its text. */
static weir_err put_member(struct weir__ctx *c, const struct weir__member *m, weir_str text,
                           void *object)
{
    struct weir__report report;
    weir__report_init(&report, weir__ctx_arena(c), NULL);
    if (m->kind == WEIR_KIND_BLOB || m->kind == WEIR_KIND_STR)
        return m->kind == WEIR_KIND_STR ? weir__field_set_text(m, object, text)
                                        : weir__field_set_bytes(m, object, text);
    return weir__model_bind_text(&report, m, text, object);
}

static weir_err put_fields(const weir_redis *redis, struct weir__ctx *c, const weir_site *site,
                           const weir_model *model, void *out, const weir_redis_value *v)
{
    if (weir__model_tables(model) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i + 1 < v->u.list.len; i += 2) {
        const weir_redis_value *field = &v->u.list.items[i], *value = field + 1;
        if (!weir_redis_is_text(field) || !weir_redis_is_text(value))
            continue;
        const struct weir__member *m = weir__model_find_name(model, field->u.s);
        if (m == NULL)
            continue;
        weir_err err = m->sub == NULL ? put_member(c, m, value->u.s, out) : WEIR_EINVALID;
        if (err == -ENOMEM || err == WEIR_EBUDGET)
            return err;
        if (err != WEIR_OK)
            return refuse_field(redis, c, site, field->u.s, model);
        weir__member_mark(m, out, true);
    }
    return WEIR_OK;
}

weir_err weir_redis_hget_model_at(const weir_site *site, weir_ctx *handle, weir_redis *redis,
                                  const weir_model *model, void *out, weir_arg key)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(model, "the model");
    weir__given(out, "the object");
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_redis_hget_model");
    redis = weir__redis_of(redis, "weir_redis_hget_model");
    weir_redis_value v = {.kind = WEIR_REDIS_NULL};
    const struct weir__redis_words w = {"HGETALL", &key, 1};
    weir_err err = weir__redis_command(redis, c, site, &w, &v);
    if (err != WEIR_OK)
        return err;
    if (!weir_redis_is_list(&v))
        return weir__redis_raise_kind(redis, c, site, "HGETALL");
    if (v.u.list.len == 0)
        return WEIR_ENOTFOUND;
    return put_fields(redis, c, site, model, out, &v);
}

/* --- writing ---------------------------------------------------------------------------------- */

struct hash {
    weir_arg key;
    const struct weir__model_tables *tables;
    const void *object;
};

static bool is_view(const struct weir__member *m)
{
    return m->kind == WEIR_KIND_STR || m->kind == WEIR_KIND_BLOB || m->kind == WEIR_KIND_RAW_JSON;
}

/* Texts, bytes and JSON have one form in memory. */
static weir_str view_of(const struct weir__member *m, const void *object)
{
    weir_str s;
    memcpy(&s, (const char *)object + m->offset, sizeof s);
    return s;
}

static bool is_there(const struct weir__member *m, const void *object)
{
    if (m->present != 0 && weir__member_presence(m, object) != WEIR_PRESENT)
        return false;
    return !is_view(m) || view_of(m, object).ptr != NULL;
}

static void put_value(weir_buf *out, const struct weir__member *m, const void *object)
{
    char text[WEIR__VALUE_TEXT_MAX + WEIR__DOUBLE_TEXT_MAX];
    const char *at = (const char *)object + m->offset;
    size_t n = 0;
    switch (m->kind) {
    case WEIR_KIND_BOOL:
        weir__resp_put_word(out, *(const bool *)at ? WEIR_S("true") : WEIR_S("false"));
        return;
    case WEIR_KIND_INT:
        n = weir__num_put_i64(text, weir__member_get_int(m, object));
        break;
    case WEIR_KIND_UINT:
        n = weir__num_put_u64(text, weir__member_get_uint(m, object));
        break;
    case WEIR_KIND_FLOAT:
        n = weir__num_put_double(text, weir__member_get_float(m, object));
        break;
    case WEIR_KIND_STR:
    case WEIR_KIND_BLOB:
    case WEIR_KIND_RAW_JSON:
        weir__resp_put_word(out, view_of(m, object));
        return;
    default:
        n = weir__value_put(m, object, text);
        break;
    }
    weir__resp_put_word(out, (weir_str){text, n});
}

static bool is_number(const struct weir__member *m, const void *object)
{
    double d = m->kind == WEIR_KIND_FLOAT ? weir__member_get_float(m, object) : 0;
    return !__builtin_isnan(d) && !__builtin_isinf(d);
}

static weir_err encode_hash(void *arg, weir_buf *out, const char **why)
{
    const struct hash *h = arg;
    size_t fields = 0;
    for (uint32_t i = 0; i < h->tables->count; i++) {
        const struct weir__member *m = &h->tables->members[i];
        if (m->sub != NULL || !is_number(m, h->object))
            *why = m->sub != NULL ? "a member is no bare value" : "a member is no number";
        fields += is_there(m, h->object);
    }
    if (fields == 0)
        *why = "there is nothing to set";
    if (*why != NULL)
        return WEIR_EINVALID;
    weir__resp_put_head(out, '*', 2 + 2 * fields);
    weir__resp_put_word(out, WEIR_S("HSET"));
    *why = weir__redis_put_arg(out, &h->key);
    if (*why != NULL)
        return WEIR_EINVALID;
    for (uint32_t i = 0; i < h->tables->count; i++) {
        const struct weir__member *m = &h->tables->members[i];
        if (!is_there(m, h->object))
            continue;
        weir__resp_put_word(out, m->field->name);
        put_value(out, m, h->object);
    }
    return out->err;
}

weir_err weir_redis_hset_model_at(const weir_site *site, weir_ctx *handle, weir_redis *redis,
                                  const weir_model *model, const void *object, weir_arg key)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(model, "the model");
    weir__given(object, "the object");
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_redis_hset_model");
    redis = weir__redis_of(redis, "weir_redis_hset_model");
    weir_redis_value v = {.kind = WEIR_REDIS_NULL};
    struct hash h = {key, weir__model_tables(model), object};
    if (redis->err != WEIR_OK)
        return weir__wait_refused(redis->err);
    if (h.tables == NULL)
        return weir__wait_refused(-ENOMEM);
    struct weir__redis_call call = {.redis = redis,
                                    .c = c,
                                    .site = site,
                                    .what = "HSET",
                                    .encode = encode_hash,
                                    .arg = &h,
                                    .f = {.c = c, .values = &v, .count = 1}};
    weir_err err = weir__redis_run(&call, false);
    if (err == WEIR_OK && v.kind == WEIR_REDIS_ERROR)
        err = weir__redis_raise_reply(redis, c, site, "HSET", v.u.s);
    return err;
}
