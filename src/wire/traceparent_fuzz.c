/*
 * "traceparent". A value is read exactly when a slow look at its places says so, with the ids that
 * the C library reads there. What was read is, written, a value of version 00 that means the same;
 * and of version 00, but for flags that nobody knows, the very same bytes. The first 25 bytes of
 * the input are also a place in a trace, which is written and read back.
 */
#include "base/fuzz.h"
#include "wire/traceparent.h"

static const char places[] = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";

static bool has_its_places(const char *s)
{
    for (size_t i = 0; places[i] != '\0'; i++) {
        if (places[i] == '-' ? s[i] != '-'
                             : s[i] == '\0' || strchr("0123456789abcdef", s[i]) == NULL)
            return false;
    }
    return true;
}

/* The number that `digits` hexadecimal digits are. */
static uint64_t number_at(const char *s, size_t digits)
{
    char text[17];
    memcpy(text, s, digits);
    text[digits] = '\0';
    return strtoull(text, NULL, 16);
}

static uint64_t big_endian(const uint8_t *bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < 8; i++)
        v = v << 8 | bytes[i];
    return v;
}

static bool is_good(weir_str s)
{
    if (s.len < strlen(places) || !has_its_places(s.ptr))
        return false;
    uint64_t version = number_at(s.ptr, 2);
    bool has_more = s.len > strlen(places);
    if (version == 255 || (has_more && (version == 0 || s.ptr[strlen(places)] != '-')))
        return false;
    return (number_at(s.ptr + 3, 16) | number_at(s.ptr + 19, 16)) != 0 &&
           number_at(s.ptr + 36, 16) != 0;
}

static void check_value(weir_str s)
{
    struct weir__trace t, again;
    char text[WEIR_TRACEPARENT_LEN];
    weir_err err = weir__traceparent_parse(s, &t);
    FUZZ_CHECK((err == WEIR_OK) == is_good(s), "\"" WEIR_STR_FMT "\": %d", WEIR_STR_ARG(s), err);
    if (err != WEIR_OK)
        return;
    FUZZ_CHECK(big_endian(t.trace_id) == number_at(s.ptr + 3, 16) &&
                   big_endian(t.trace_id + 8) == number_at(s.ptr + 19, 16) &&
                   big_endian(t.span_id) == number_at(s.ptr + 36, 16) &&
                   t.flags == (number_at(s.ptr + 53, 2) & 1),
               WEIR_STR_FMT, WEIR_STR_ARG(s));
    weir__traceparent_write(text, &t);
    bool is_same = memcmp(text, s.ptr, sizeof text) == 0;
    FUZZ_CHECK(is_same || s.ptr[0] != '0' || s.ptr[1] != '0' || number_at(s.ptr + 53, 2) > 1,
               "%.55s of " WEIR_STR_FMT, text, WEIR_STR_ARG(s));
    err = weir__traceparent_parse((weir_str){text, sizeof text}, &again);
    FUZZ_CHECK(err == WEIR_OK && memcmp(&t, &again, sizeof t) == 0, "%.55s: %d", text, err);
}

static void check_place(struct weir__trace t)
{
    struct weir__trace back;
    char text[WEIR_TRACEPARENT_LEN];
    t.trace_id[0] |= 1; /* ids are set */
    t.span_id[7] |= 1;
    weir__traceparent_write(text, &t);
    weir_err err = weir__traceparent_parse((weir_str){text, sizeof text}, &back);
    t.flags &= 1;
    FUZZ_CHECK(err == WEIR_OK && memcmp(&t, &back, sizeof t) == 0, "%.55s: %d", text, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir__trace t = {.flags = 0};
    char *bytes = fuzz_copy(data, size);
    check_value((weir_str){bytes, size});
    memcpy(&t, data, size < sizeof t ? size : sizeof t);
    check_place(t);
    free(bytes);
    return 0;
}
