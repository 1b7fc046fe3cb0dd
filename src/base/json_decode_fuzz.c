/*
 * Reading JSON. The input is a text; it is read as an object, and as an array of each kind of item.
 * A text is called broken exactly when the slow reader of json_reference.h does not know it as
 * JSON, whatever else is wrong with it. What is read passes validation, and is, once written,
 * read and written again, the same text. A text that ends too early is never taken for a whole one.
 */
#include "base/json_decode.h"
#include "base/json_encode.h"
#include "base/json_reference.h"
#include "base/json_thing.h"
#include "base/validate.h"

enum { BYTES_MAX = 4096, CUT_BYTES_MAX = 160, MEMORY_MAX = 16 << 20 };

static struct weir__arena arena;
static weir_json_errors errors;

static void arena_again(void)
{
    weir__arena_fini(&arena);
    weir__arena_init(&arena, NULL, 0, MEMORY_MAX);
}

/* A copy in memory of its size is read, and freed when what points to it is no longer needed. */
static weir_err decode(weir_str text, thing *out)
{
    arena_again();
    weir_err err = weir__json_decode(&arena, text, weir_model_of(thing), out, NULL, &errors);
    check_errors(err, &errors, text);
    return err;
}

static void check_written_again(const thing *t)
{
    weir_buf first, second;
    thing again;
    weir_buf_init(&first, 16 * BYTES_MAX);
    weir_buf_init(&second, 16 * BYTES_MAX);
    weir_err err = weir_json_encode(&first, weir_model_of(thing), t);
    FUZZ_CHECK(err == WEIR_OK && slow_is_json(weir_buf_str(&first)), "%d: what is written: %.*s",
               err, (int)first.len, first.ptr);
    char *copy = fuzz_copy(first.ptr, first.len);
    err = decode((weir_str){copy, first.len}, &again);
    FUZZ_CHECK(err == WEIR_OK, "its own text is refused: %.*s: " WEIR_STR_FMT " " WEIR_STR_FMT,
               (int)first.len, first.ptr, WEIR_STR_ARG(errors.items[0].pointer),
               WEIR_STR_ARG(errors.items[0].message));
    err = weir_json_encode(&second, weir_model_of(thing), &again);
    FUZZ_CHECK(err == WEIR_OK && weir_str_eq(weir_buf_str(&first), weir_buf_str(&second)),
               "%.*s became %.*s", (int)first.len, first.ptr, (int)second.len, second.ptr);
    free(copy);
    weir_buf_fini(&first);
    weir_buf_fini(&second);
}

static void check_object(weir_str text)
{
    thing t;
    weir_err err = decode(text, &t);
    FUZZ_CHECK(is_broken_syntax(&errors) == !slow_is_json(text), "broken: %d", err);
    if (err != WEIR_OK)
        return;
    err = weir__model_validate(&arena, weir_model_of(thing), &t, &errors);
    FUZZ_CHECK(err == WEIR_OK, "what was read is not valid: " WEIR_STR_FMT " " WEIR_STR_FMT,
               WEIR_STR_ARG(errors.items[0].pointer), WEIR_STR_ARG(errors.items[0].message));
    check_written_again(&t);
}

/* No part of a whole text is whole. */
static void check_cut(weir_str text)
{
    thing t;
    if (text.len > CUT_BYTES_MAX || decode(text, &t) != WEIR_OK)
        return;
    size_t n = text.len;
    while (text.ptr[n - 1] != '}')
        n--; /* blanks */
    while (n-- > 0) {
        char *copy = fuzz_copy(text.ptr, n);
        FUZZ_CHECK(decode((weir_str){copy, n}, &t) == WEIR_EINVALID, "%zu bytes suffice", n);
        free(copy);
    }
}

static void check_array(weir_str text, const weir_model *item)
{
    void *ptr;
    size_t len;
    arena_again();
    weir_err err = weir__json_decode_array(&arena, text, item, &ptr, &len, NULL, &errors);
    check_errors(err, &errors, text);
    FUZZ_CHECK(is_broken_syntax(&errors) == !slow_is_json(text), "broken: %d", err);
    for (size_t i = 0; err == WEIR_OK && i < len && item == weir_model_of(weir_str); i++)
        FUZZ_CHECK(slow_is_utf8(((weir_str *)ptr)[i]), "item %zu is not UTF-8", i);
}

/* A limit of depth is exact, a limit of memory is an error and nothing worse. */
static void check_limits(weir_str text, struct fuzz_dice *dice)
{
    thing t;
    const weir_json_limits limits = {.depth_max = 1 + (uint32_t)fuzz_below(dice, 6)};
    arena_again();
    weir_err err = weir__json_decode(&arena, text, weir_model_of(thing), &t, &limits, &errors);
    check_errors(err, &errors, text);
    weir__arena_fini(&arena);
    weir__arena_init(&arena, NULL, 0, fuzz_below(dice, 4000));
    err = weir__json_decode(&arena, text, weir_model_of(thing), &t, NULL, NULL);
    FUZZ_CHECK(err == WEIR_OK || err == WEIR_EINVALID || err == WEIR_EBUDGET, "%d", err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_dice dice = fuzz_dice_of(data, size);
    if (size > BYTES_MAX)
        return 0;
    char *bytes = fuzz_copy(data, size);
    weir_str text = {bytes, size};
    check_object(text);
    check_cut(text);
    check_array(text, weir_model_of(weir_str));
    check_array(text, weir_model_of(double));
    check_array(text, weir_model_of(uint64_t));
    check_array(text, weir_model_of(point));
    check_array(text, weir_model_of(weir_wall));
    check_array(text, weir_model_of(weir_decimal));
    check_array(text, weir_model_of(weir_blob));
    check_array(text, weir_model_of(weir_raw_json));
    check_limits(text, &dice);
    weir__arena_fini(&arena);
    free(bytes);
    return 0;
}
