/* Answers: each is read in one pass, and what stands behind its end is left alone. */
#include "wire/mysql_answer.h"

#include <string.h>

#define UNSIGNED 0x20 /* of a column's flags */
#define TRACKED_VARIABLE 0
#define TRACKED_SCHEMA 1
#define TRACKED_STATE 2

/* A list of changes: a type, and a string that holds it. What else is tracked is passed over. */
static uint8_t read_changes(weir_str list, bool *is_cut)
{
    struct weir__mysql_reader r = weir__mysql_reader_of(list);
    uint8_t changed = 0;
    while (weir__mysql_left(&r) > 0) {
        uint64_t type = weir__mysql_get(&r, 1);
        weir_str what = weir__mysql_get_string(&r);
        if (type == TRACKED_VARIABLE)
            changed |= WEIR__MYSQL_CHANGED_VARIABLE;
        else if (type == TRACKED_SCHEMA)
            changed |= WEIR__MYSQL_CHANGED_SCHEMA;
        else if (type == TRACKED_STATE && !(what.len == 2 && what.ptr[1] == '0'))
            changed |= WEIR__MYSQL_CHANGED_STATE;
    }
    *is_cut = r.is_cut;
    return changed;
}

int weir__mysql_ok_read(weir_str body, struct weir__mysql_ok *out)
{
    struct weir__mysql_reader r = weir__mysql_reader_of(body);
    *out = (struct weir__mysql_ok){0};
    uint64_t first = weir__mysql_get(&r, 1);
    if (first != 0 && first != WEIR__MYSQL_EOF)
        return WEIR_MYSQL_EFORM;
    out->affected = weir__mysql_get_lenenc(&r, NULL);
    out->last_id = weir__mysql_get_lenenc(&r, NULL);
    out->status = (uint16_t)weir__mysql_get(&r, 2);
    out->warnings = (uint16_t)weir__mysql_get(&r, 2);
    if (weir__mysql_left(&r) > 0)
        out->info = weir__mysql_get_string(&r);
    bool is_cut = false;
    if ((out->status & WEIR__MYSQL_STATE_CHANGED) != 0 && weir__mysql_left(&r) > 0)
        out->changed = read_changes(weir__mysql_get_string(&r), &is_cut);
    return r.is_cut || is_cut ? WEIR_MYSQL_ECUT : 0;
}

int weir__mysql_err_read(weir_str body, struct weir__mysql_err *out)
{
    struct weir__mysql_reader r = weir__mysql_reader_of(body);
    *out = (struct weir__mysql_err){.state = "HY000"};
    if (weir__mysql_get(&r, 1) != WEIR__MYSQL_ERR)
        return WEIR_MYSQL_EFORM;
    out->number = (uint16_t)weir__mysql_get(&r, 2);
    if (weir__mysql_left(&r) >= 6 && *r.at == '#') {
        weir_str state = weir__mysql_get_bytes(&r, 6);
        memcpy(out->state, state.ptr + 1, 5);
    }
    out->text = weir__mysql_get_rest(&r);
    return r.is_cut ? WEIR_MYSQL_ECUT : 0;
}

int weir__mysql_prepared_read(weir_str body, struct weir__mysql_prepared *out)
{
    struct weir__mysql_reader r = weir__mysql_reader_of(body);
    *out = (struct weir__mysql_prepared){0};
    if (weir__mysql_get(&r, 1) != 0)
        return WEIR_MYSQL_EFORM;
    out->id = (uint32_t)weir__mysql_get(&r, 4);
    out->columns = (uint16_t)weir__mysql_get(&r, 2);
    out->params = (uint16_t)weir__mysql_get(&r, 2);
    (void)weir__mysql_get(&r, 1);
    out->warnings = (uint16_t)weir__mysql_get(&r, 2);
    if (r.is_cut)
        return WEIR_MYSQL_ECUT;
    return out->columns <= WEIR__MYSQL_COLUMNS_MAX ? 0 : WEIR_MYSQL_EFORM;
}

int weir__mysql_answer_read(weir_str body, bool can_cache, struct weir__mysql_rows *out)
{
    *out = (struct weir__mysql_rows){.has_columns = true};
    if (body.len == 0)
        return WEIR_MYSQL_ECUT;
    uint8_t first = (uint8_t)body.ptr[0];
    if (first == 0)
        return WEIR__MYSQL_OK;
    if (first == WEIR__MYSQL_ERR)
        return WEIR__MYSQL_FAILED;
    if (first == 0xfb)
        return WEIR_MYSQL_EINFILE;
    struct weir__mysql_reader r = weir__mysql_reader_of(body);
    uint64_t columns = weir__mysql_get_lenenc(&r, NULL);
    if (can_cache)
        out->has_columns = weir__mysql_get(&r, 1) != 0;
    if (r.is_cut)
        return WEIR_MYSQL_ECUT;
    if (columns == 0 || columns > WEIR__MYSQL_COLUMNS_MAX || weir__mysql_left(&r) > 0)
        return WEIR_MYSQL_EFORM;
    out->columns = (uint16_t)columns;
    return WEIR__MYSQL_ROWS;
}

/* --- columns ---------------------------------------------------------------------------------- */

/* Pairs of what is told (0: the type, 1: the format) and a text. */
static uint8_t read_extra(weir_str list, bool *is_cut)
{
    struct weir__mysql_reader r = weir__mysql_reader_of(list);
    uint8_t extra = WEIR__MYSQL_NO_EXTRA;
    while (weir__mysql_left(&r) > 0) {
        (void)weir__mysql_get(&r, 1);
        weir_str what = weir__mysql_get_string(&r);
        if (weir_str_eq(what, WEIR_S("json")))
            extra = WEIR__MYSQL_IS_JSON;
        else if (weir_str_eq(what, WEIR_S("uuid")))
            extra = WEIR__MYSQL_IS_UUID;
    }
    *is_cut = r.is_cut;
    return extra;
}

int weir__mysql_column_read(weir_str body, bool is_extended, struct weir__mysql_column *out)
{
    struct weir__mysql_reader r = weir__mysql_reader_of(body);
    bool is_cut = false;
    *out = (struct weir__mysql_column){0};
    for (int i = 0; i < 4; i++) /* catalog, schema, table, its own name */
        (void)weir__mysql_get_string(&r);
    out->name = weir__mysql_get_string(&r);
    (void)weir__mysql_get_string(&r); /* the name in its table */
    if (is_extended)
        out->extra = read_extra(weir__mysql_get_string(&r), &is_cut);
    uint64_t fixed = weir__mysql_get_lenenc(&r, NULL);
    out->charset = (uint16_t)weir__mysql_get(&r, 2);
    out->length = (uint32_t)weir__mysql_get(&r, 4);
    out->type = (uint8_t)weir__mysql_get(&r, 1);
    out->is_unsigned = (weir__mysql_get(&r, 2) & UNSIGNED) != 0;
    out->decimals = (uint8_t)weir__mysql_get(&r, 1);
    if (r.is_cut || is_cut)
        return WEIR_MYSQL_ECUT;
    return fixed >= 10 ? 0 : WEIR_MYSQL_EFORM;
}
