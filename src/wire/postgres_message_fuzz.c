/*
 * What a PostgreSQL server says: whatever comes is cut into messages that lie one behind the other,
 * the same from every split; each body is read within its own bytes, and what was read lies in it;
 * a message that is read is not read any more when a byte is missing at its end.
 */
#include "base/fuzz.h"
#include "wire/postgres_message.h"
#include "wire/postgres_value.h"

enum { BODY_MAX = 1 << 16 };

static void check_view(weir_str body, weir_str view)
{
    bool is_inside =
        view.len == 0 || (view.ptr >= body.ptr && view.ptr + view.len <= body.ptr + body.len);
    FUZZ_CHECK(is_inside, "a view of %zu bytes", view.len);
}

static bool read_notice(weir_str body)
{
    struct weir__pg_notice n;
    bool is_read = weir__pg_read_notice(body, &n);
    check_view(body, n.state);
    check_view(body, n.message);
    check_view(body, n.constraint);
    return is_read;
}

static bool read_columns(weir_str body)
{
    struct weir__pg_reader r;
    unsigned count;
    if (!weir__pg_read_columns(body, &r, &count))
        return false;
    for (unsigned i = 0; i < count; i++)
        check_view(body, weir__pg_next_column(&r).name);
    return weir__pg_is_done(&r);
}

static bool read_row(weir_str body)
{
    static const uint32_t types[] = {16,  17,  18,  20,   21,   23,   25,   26,   114,
                                     700, 701, 705, 1082, 1114, 1184, 1700, 2950, 3802};
    struct weir__pg_reader r;
    unsigned count;
    if (!weir__pg_read_row(body, &r, &count))
        return false;
    for (unsigned i = 0; i < count; i++) {
        struct weir__pg_value v;
        weir_str bytes = weir__pg_next_value(&r);
        uint32_t type = types[i % (sizeof types / sizeof types[0])];
        check_view(body, bytes);
        weir_err err = weir__pg_get_value(type, weir__pg_reads_binary(type), bytes, &v);
        FUZZ_CHECK(err == WEIR_OK || err == WEIR_EPROTO || err == -ERANGE, "%d", err);
        if (err == WEIR_OK && (v.kind == WEIR__PG_IS_TEXT || v.kind == WEIR__PG_IS_BYTES))
            check_view(body, v.u.s);
    }
    return weir__pg_is_done(&r);
}

static bool read_parameters(weir_str body)
{
    struct weir__pg_reader r;
    unsigned count;
    if (!weir__pg_read_parameters(body, &r, &count))
        return false;
    for (unsigned i = 0; i < count; i++)
        (void)weir__pg_get_u32(&r);
    return weir__pg_is_done(&r);
}

/* Was it read? */
static bool read(const struct weir__pg_message *m)
{
    struct weir__pg_auth auth;
    weir_str a = {0}, b = {0};
    uint32_t n, k;
    int64_t changes;
    unsigned columns;
    bool is_read = false, is_binary;
    char status;
    switch (m->type) {
    case WEIR__PG_AUTHENTICATION:
        is_read = weir__pg_read_auth(m->body, &auth);
        a = auth.data;
        break;
    case WEIR__PG_BACKEND_KEY:
        is_read = weir__pg_read_key(m->body, &n, &a);
        break;
    case WEIR__PG_COMMAND_COMPLETE:
        is_read = weir__pg_read_complete(m->body, &a, &changes);
        break;
    case WEIR__PG_COPY_IN:
        return weir__pg_read_copy(m->body, &is_binary, &columns);
    case WEIR__PG_DATA_ROW:
        return read_row(m->body);
    case WEIR__PG_ERROR:
    case WEIR__PG_NOTICE:
        return read_notice(m->body);
    case WEIR__PG_NEGOTIATE:
        return weir__pg_read_negotiate(m->body, &n, &k);
    case WEIR__PG_NOTIFICATION:
        is_read = weir__pg_read_notification(m->body, &n, &a, &b);
        break;
    case WEIR__PG_PARAMETERS:
        return read_parameters(m->body);
    case WEIR__PG_PARAMETER_STATUS:
        is_read = weir__pg_read_parameter(m->body, &a, &b);
        break;
    case WEIR__PG_READY:
        return weir__pg_read_ready(m->body, &status);
    case WEIR__PG_COLUMNS:
        return read_columns(m->body);
    default:
        return false;
    }
    check_view(m->body, a);
    check_view(m->body, b);
    return is_read;
}

/* Any of these is as good when it is shorter: keys, SASL's data, methods that are not supported. */
static bool may_be_shorter(const struct weir__pg_message *m)
{
    return m->type == WEIR__PG_AUTHENTICATION || m->type == WEIR__PG_BACKEND_KEY;
}

static void check_message(const struct weir__pg_message *m)
{
    char *exact = fuzz_copy(m->body.ptr, m->body.len);
    struct weir__pg_message copy = {.type = m->type, .body = {exact, m->body.len}};
    bool is_read = read(&copy);
    if (is_read && m->body.len > 0 && !may_be_shorter(m)) {
        copy.body.len--;
        FUZZ_CHECK(!read(&copy), "type %c of one byte less", m->type);
    }
    free(exact);
}

/* What lies at the front; false when it is no whole message. */
static bool check_front(const uint8_t *data, size_t size, struct fuzz_dice *dice, size_t *total)
{
    struct weir__pg_message m, part;
    char *exact = fuzz_copy(data, size);
    int rc = weir__pg_cut((weir_str){exact, size}, BODY_MAX, &m);
    if (rc == 1) {
        FUZZ_CHECK(m.total <= size && m.body.len == m.total - WEIR__PG_HEAD_BYTES, "%zu of %zu",
                   m.total, size);
        size_t n = fuzz_below(dice, m.total);
        FUZZ_CHECK(weir__pg_cut((weir_str){exact, n}, BODY_MAX, &part) == 0, "cut at %zu", n);
        FUZZ_CHECK(part.total > n && part.total <= m.total, "%zu at %zu", part.total, n);
        check_message(&m);
    }
    *total = m.total;
    free(exact);
    return rc == 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_dice dice = fuzz_dice_of(data, size);
    size_t total;
    for (size_t at = 0; at < size && check_front(data + at, size - at, &dice, &total);)
        at += total;
    return 0;
}
