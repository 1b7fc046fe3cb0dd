/*
 * Reading what a PostgreSQL server says. A message is a type, a length that counts itself, and a
 * body; so cutting needs no knowledge of types, and each body is read within its own bytes. Counts
 * in a body are held against what is left of it before anybody walks by them.
 */
#include "wire/postgres_message.h"

#include <string.h>

enum { LENGTH_BYTES = 4, STATE_BYTES = 5, COLUMN_BYTES_MIN = 19, COUNT_BYTES = 2 };

static uint32_t big32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int weir__pg_cut(weir_str bytes, size_t body_max, struct weir__pg_message *out)
{
    *out = (struct weir__pg_message){.total = WEIR__PG_HEAD_BYTES};
    if (bytes.len == 0)
        return 0;
    out->type = (uint8_t)bytes.ptr[0];
    if (!weir__pg_is_known(out->type))
        return WEIR_EPROTO;
    if (bytes.len < WEIR__PG_HEAD_BYTES)
        return 0;
    uint32_t length = big32((const uint8_t *)bytes.ptr + 1);
    if (length < LENGTH_BYTES || length > INT32_MAX)
        return WEIR_EPROTO;
    out->total = 1 + (size_t)length;
    if (length - LENGTH_BYTES > body_max)
        return WEIR_ETOOLARGE;
    if (bytes.len < out->total)
        return 0;
    out->body = (weir_str){bytes.ptr + WEIR__PG_HEAD_BYTES, length - LENGTH_BYTES};
    return 1;
}

bool weir__pg_is_known(uint8_t type)
{
    static const char types[] = "RK23CdcGHWDIEvnNAtS1sZT";
    return type != 0 && strchr(types, type) != NULL;
}

/* --- the reader ------------------------------------------------------------------------------- */

struct weir__pg_reader weir__pg_reader_of(weir_str body)
{
    const uint8_t *at = (const uint8_t *)(body.ptr != NULL ? body.ptr : "");
    return (struct weir__pg_reader){.at = at, .end = at + body.len};
}

weir_str weir__pg_get_bytes(struct weir__pg_reader *r, size_t n)
{
    if ((size_t)(r->end - r->at) < n) {
        r->is_bad = true;
        r->at = r->end;
        return (weir_str){"", 0};
    }
    weir_str bytes = {(const char *)r->at, n};
    r->at += n;
    return bytes;
}

uint8_t weir__pg_get_u8(struct weir__pg_reader *r)
{
    weir_str s = weir__pg_get_bytes(r, 1);
    return s.len == 0 ? 0 : (uint8_t)s.ptr[0];
}

uint16_t weir__pg_get_u16(struct weir__pg_reader *r)
{
    weir_str s = weir__pg_get_bytes(r, 2);
    if (s.len == 0)
        return 0;
    return (uint16_t)((uint8_t)s.ptr[0] << 8 | (uint8_t)s.ptr[1]);
}

uint32_t weir__pg_get_u32(struct weir__pg_reader *r)
{
    weir_str s = weir__pg_get_bytes(r, 4);
    return s.len == 0 ? 0 : big32((const uint8_t *)s.ptr);
}

weir_str weir__pg_get_text(struct weir__pg_reader *r)
{
    size_t left = (size_t)(r->end - r->at);
    const uint8_t *nul = left > 0 ? memchr(r->at, 0, left) : NULL;
    if (nul == NULL) {
        r->is_bad = true;
        r->at = r->end;
        return (weir_str){"", 0};
    }
    weir_str s = {(const char *)r->at, (size_t)(nul - r->at)};
    r->at = nul + 1;
    return s;
}

bool weir__pg_is_done(const struct weir__pg_reader *r)
{
    return !r->is_bad && r->at == r->end;
}

/* --- errors and notices ----------------------------------------------------------------------- */

static bool is_state(weir_str s)
{
    if (s.len != STATE_BYTES)
        return false;
    for (size_t i = 0; i < STATE_BYTES; i++) {
        char c = s.ptr[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z'))
            return false;
    }
    return true;
}

static uint32_t position_of(weir_str s)
{
    int64_t v;
    return weir_str_i64(s, &v) == WEIR_OK && v > 0 && v <= INT32_MAX ? (uint32_t)v : 0;
}

/* Where a field goes; NULL: it is skipped, as the protocol demands of those that are unknown. */
static weir_str *field_of(struct weir__pg_notice *n, uint8_t code)
{
    switch (code) {
    case 'V':
        return &n->severity;
    case 'C':
        return &n->state;
    case 'M':
        return &n->message;
    case 'D':
        return &n->detail;
    case 'H':
        return &n->hint;
    case 'W':
        return &n->where;
    case 's':
        return &n->schema;
    case 't':
        return &n->table;
    case 'c':
        return &n->column;
    case 'd':
        return &n->data_type;
    case 'n':
        return &n->constraint;
    default:
        return NULL;
    }
}

bool weir__pg_read_notice(weir_str body, struct weir__pg_notice *out)
{
    *out = (struct weir__pg_notice){0};
    struct weir__pg_reader r = weir__pg_reader_of(body);
    weir_str translated = {0}; /* all that servers before 9.6 say of the severity */
    for (uint8_t code; (code = weir__pg_get_u8(&r)) != 0;) {
        weir_str text = weir__pg_get_text(&r);
        weir_str *field = field_of(out, code);
        if (field != NULL)
            *field = text;
        else if (code == 'S')
            translated = text;
        else if (code == 'P')
            out->position = position_of(text);
    }
    if (out->severity.ptr == NULL)
        out->severity = translated;
    return weir__pg_is_done(&r) && is_state(out->state);
}

/* --- the start -------------------------------------------------------------------------------- */

bool weir__pg_read_auth(weir_str body, struct weir__pg_auth *out)
{
    struct weir__pg_reader r = weir__pg_reader_of(body);
    *out = (struct weir__pg_auth){.kind = weir__pg_get_u32(&r)};
    switch (out->kind) {
    case WEIR__PG_AUTH_MD5: {
        weir_str salt = weir__pg_get_bytes(&r, sizeof out->salt);
        memcpy(out->salt, salt.ptr, salt.len);
        break;
    }
    case WEIR__PG_AUTH_SASL:
        for (weir_str name; !r.is_bad && (name = weir__pg_get_text(&r)).len > 0;) {
            out->scram = out->scram || weir_str_eq(name, WEIR_S("SCRAM-SHA-256"));
            out->scram_plus = out->scram_plus || weir_str_eq(name, WEIR_S("SCRAM-SHA-256-PLUS"));
        }
        break;
    case WEIR__PG_AUTH_SASL_CONTINUE:
    case WEIR__PG_AUTH_SASL_FINAL:
        out->data = weir__pg_get_bytes(&r, (size_t)(r.end - r.at));
        break;
    case WEIR__PG_AUTH_OK:
    case WEIR__PG_AUTH_PASSWORD:
        break;
    default:
        return !r.is_bad; /* what is not supported is refused by its number, whatever it carries */
    }
    return weir__pg_is_done(&r);
}

const char *weir__pg_auth_name(uint32_t kind)
{
    static const char *const names[] = {
        [2] = "Kerberos V5", [6] = "SCM credentials", [7] = "GSSAPI", [8] = "GSSAPI", [9] = "SSPI"};
    const char *name = kind < sizeof names / sizeof names[0] ? names[kind] : NULL;
    return name != NULL ? name : "an unknown method";
}

bool weir__pg_read_parameter(weir_str body, weir_str *name, weir_str *value)
{
    struct weir__pg_reader r = weir__pg_reader_of(body);
    *name = weir__pg_get_text(&r);
    *value = weir__pg_get_text(&r);
    return weir__pg_is_done(&r);
}

bool weir__pg_read_key(weir_str body, uint32_t *process, weir_str *key)
{
    struct weir__pg_reader r = weir__pg_reader_of(body);
    *process = weir__pg_get_u32(&r);
    *key = weir__pg_get_bytes(&r, (size_t)(r.end - r.at));
    return !r.is_bad && key->len >= 4 && key->len <= WEIR__PG_KEY_BYTES_MAX;
}

bool weir__pg_read_ready(weir_str body, char *status)
{
    *status = body.len == 1 ? body.ptr[0] : '\0';
    return *status == 'I' || *status == 'T' || *status == 'E';
}

bool weir__pg_read_notification(weir_str body, uint32_t *process, weir_str *channel,
                                weir_str *payload)
{
    struct weir__pg_reader r = weir__pg_reader_of(body);
    *process = weir__pg_get_u32(&r);
    *channel = weir__pg_get_text(&r);
    *payload = weir__pg_get_text(&r);
    return weir__pg_is_done(&r);
}

bool weir__pg_read_negotiate(weir_str body, uint32_t *version, uint32_t *unknown)
{
    struct weir__pg_reader r = weir__pg_reader_of(body);
    *version = weir__pg_get_u32(&r);
    *unknown = weir__pg_get_u32(&r);
    for (uint32_t i = 0; i < *unknown && !r.is_bad; i++)
        (void)weir__pg_get_text(&r);
    return weir__pg_is_done(&r);
}

/* --- statements ------------------------------------------------------------------------------- */

/* A count of items, each of so many bytes at least. */
static bool read_count(struct weir__pg_reader *r, unsigned max, size_t item_bytes_min,
                       unsigned *count)
{
    *count = weir__pg_get_u16(r);
    return !r->is_bad && *count <= max && *count * item_bytes_min <= (size_t)(r->end - r->at);
}

bool weir__pg_read_copy(weir_str body, bool *is_binary, unsigned *columns)
{
    struct weir__pg_reader r = weir__pg_reader_of(body);
    uint8_t format = weir__pg_get_u8(&r);
    *is_binary = format == 1;
    if (!read_count(&r, WEIR__PG_COLUMNS_MAX, 2, columns))
        return false;
    (void)weir__pg_get_bytes(&r, (size_t)*columns * 2);
    return weir__pg_is_done(&r) && format <= 1;
}

bool weir__pg_read_complete(weir_str body, weir_str *tag, int64_t *changes)
{
    struct weir__pg_reader r = weir__pg_reader_of(body);
    *tag = weir__pg_get_text(&r);
    *changes = 0;
    size_t at = tag->len;
    while (at > 0 && tag->ptr[at - 1] >= '0' && tag->ptr[at - 1] <= '9')
        at--;
    bool has_count = at < tag->len && at > 0 && tag->ptr[at - 1] == ' ';
    if (has_count && weir_str_i64((weir_str){tag->ptr + at, tag->len - at}, changes) != WEIR_OK)
        return false;
    if (weir_str_starts(*tag, WEIR_S("SELECT")) || weir_str_starts(*tag, WEIR_S("FETCH")) ||
        weir_str_starts(*tag, WEIR_S("MOVE")))
        *changes = 0; /* rows that were read */
    return weir__pg_is_done(&r);
}

bool weir__pg_read_columns(weir_str body, struct weir__pg_reader *r, unsigned *count)
{
    *r = weir__pg_reader_of(body);
    return read_count(r, WEIR__PG_COLUMNS_MAX, COLUMN_BYTES_MIN, count);
}

struct weir__pg_column weir__pg_next_column(struct weir__pg_reader *r)
{
    struct weir__pg_column c = {.name = weir__pg_get_text(r)};
    c.table = weir__pg_get_u32(r);
    c.number = weir__pg_get_u16(r);
    c.type = weir__pg_get_u32(r);
    c.size = (int16_t)weir__pg_get_u16(r);
    c.modifier = weir__pg_get_u32(r);
    uint16_t format = weir__pg_get_u16(r);
    r->is_bad = r->is_bad || format > 1;
    c.is_binary = format == 1;
    return c;
}

bool weir__pg_read_parameters(weir_str body, struct weir__pg_reader *r, unsigned *count)
{
    *r = weir__pg_reader_of(body);
    return read_count(r, WEIR__PG_VALUES_MAX, 4, count) &&
           (size_t)(r->end - r->at) == *count * (size_t)4;
}

bool weir__pg_read_row(weir_str body, struct weir__pg_reader *r, unsigned *count)
{
    *r = weir__pg_reader_of(body);
    return read_count(r, WEIR__PG_COLUMNS_MAX, 4, count);
}

weir_str weir__pg_next_value(struct weir__pg_reader *r)
{
    uint32_t length = weir__pg_get_u32(r);
    if (length == UINT32_MAX)
        return (weir_str){NULL, 0};
    return weir__pg_get_bytes(r, length);
}
