/*
 * Fields to a head. The input is lines "name NUL value LF", as HPACK may yield any bytes but these
 * two; a first byte of 't' makes them trailers. Whatever comes: nothing outside the given bytes is
 * read, all spans lie in the text, what was taken obeys the rules of RFC 9113, and the limits hold.
 */
#include "base/alloc.h"
#include "base/fuzz.h"
#include "http/h2/fields.h"

static const struct weir__h2_fields_limits limits = {
    .bytes_max = 2048, .path_bytes_max = 256, .fields_max = 20};

static void check_span(const struct weir__h2_fields *f, struct weir__http_span s)
{
    FUZZ_CHECK((size_t)s.off + s.len <= f->len, "%u + %u of %u", s.off, s.len, f->len);
}

static void check_line(const struct weir__h2_fields *f, unsigned i)
{
    const struct weir__http_head *h = f->head;
    check_span(f, h->fields[i].name);
    check_span(f, h->fields[i].value);
    weir_str name = weir__http_head_name(h, f->bytes, i);
    weir_str value = weir__http_head_value(h, f->bytes, i);
    FUZZ_CHECK(weir__http_name_is_valid(name) && weir__http_value_is_valid(value),
               WEIR_STR_FMT ": " WEIR_STR_FMT, WEIR_STR_ARG(name), WEIR_STR_ARG(value));
    for (size_t k = 0; k < name.len; k++)
        FUZZ_CHECK(name.ptr[k] < 'A' || name.ptr[k] > 'Z', WEIR_STR_FMT, WEIR_STR_ARG(name));
    unsigned id = weir__http_field_id(name);
    FUZZ_CHECK(id == h->fields[i].id, "%u is not %u", id, h->fields[i].id);
    FUZZ_CHECK(id == WEIR_FIELD_OTHER || (h->slots[id] > 0 && h->slots[id] <= i + 1),
               "slot %u of field %u", h->slots[id], i);
    FUZZ_CHECK(id != WEIR_FIELD_CONNECTION && id != WEIR_FIELD_UPGRADE &&
                   id != WEIR_FIELD_TRANSFER_ENCODING,
               WEIR_STR_FMT, WEIR_STR_ARG(name));
}

static void check_slots(const struct weir__h2_fields *f)
{
    const struct weir__http_head *h = f->head;
    for (unsigned id = 1; id < WEIR_FIELD_COUNT; id++)
        FUZZ_CHECK(h->slots[id] == 0 ||
                       (h->slots[id] <= h->nfields && h->fields[h->slots[id] - 1].id == id),
                   "slot %u of id %u", h->slots[id], id);
    unsigned cookies = 0;
    for (unsigned i = 0; i < h->nfields; i++) {
        check_line(f, i);
        cookies += h->fields[i].id == WEIR_FIELD_COOKIE;
    }
    FUZZ_CHECK(cookies <= 1, "%u cookies", cookies);
}

static void check_head(const struct weir__h2_fields *f, bool is_end)
{
    const struct weir__http_head *h = f->head;
    const struct weir__http_span spans[] = {h->method_token, h->target, h->path, h->query, h->host};
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++)
        check_span(f, spans[i]);
    FUZZ_CHECK(h->method_token.len > 0 && h->host.len > 0, "%u %u", h->method_token.len,
               h->host.len);
    FUZZ_CHECK(h->slots[WEIR_FIELD_HOST] != 0 && h->nfields <= limits.fields_max + 1, "%u fields",
               h->nfields);
    FUZZ_CHECK(!is_end || h->body == WEIR_HTTP_BODY_NONE || h->content_length == 0, "%d", h->body);
    FUZZ_CHECK(h->form != WEIR_HTTP_ORIGIN || f->bytes[h->path.off] == '/', "%d", h->form);
    check_slots(f);
}

/* As HPACK does: the bytes of a field are there during the call alone. */
static void add(struct weir__h2_fields *f, weir_str name, weir_str value)
{
    char *n = fuzz_copy(name.ptr, name.len), *v = fuzz_copy(value.ptr, value.len);
    weir__h2_fields_add(f, (weir_str){n, name.len}, (weir_str){v, value.len});
    free(n);
    free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, data + size};
    struct fuzz_dice dice = fuzz_dice_of(data, size);
    struct weir__http_head head;
    struct weir__h2_fields f;
    bool is_trailer = size > 0 && data[0] == 't', is_end = fuzz_below(&dice, 2) == 0;
    size_t room = fuzz_below(&dice, 300);
    char *bytes = fuzz_alloc(room);
    weir__h2_fields_init(&f, is_trailer ? NULL : &head, &limits, bytes, room);
    if (fuzz_below(&dice, 4) == 0)
        weir__alloc_fail_nth(1 + fuzz_below(&dice, 3));
    while (in.at < in.end) {
        weir_str line = fuzz_until(&in, '\n');
        struct fuzz_input parts = {(const uint8_t *)line.ptr, (const uint8_t *)line.ptr + line.len};
        weir_str name = fuzz_until(&parts, 0);
        add(&f, name, (weir_str){(const char *)parts.at, (size_t)(parts.end - parts.at)});
    }
    int err = weir__h2_fields_end(&f, is_end);
    weir__alloc_fail_nth(0);
    FUZZ_CHECK(err == 0 || weir__h2_fields_text(err)[0] != '\0', "%d", err);
    FUZZ_CHECK(f.len <= 2 * limits.bytes_max, "%u bytes", f.len);
    if (err == 0 && !is_trailer)
        check_head(&f, is_end);
    weir__h2_fields_fini(&f);
    free(bytes);
    return 0;
}
