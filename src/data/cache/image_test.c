/*
 * Images of values: equal to what they were made of, in one piece, whose pieces survive the
 * original; copies point into themselves; what is too large or goes in a ring is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json_decode.h"
#include "data/cache/image.h"
#include <weir/json.h>

typedef struct point {
    int32_t x, y;
    const char *unknown; /* not in the model */
} point;
WEIR_MODEL(point, (x), (y));

typedef struct chain chain;
struct chain {
    int64_t n;
    chain *next;
};
static const weir_field chain_fields[];
static weir_model_link chain_link;
static const weir_model weir_model_chain = {.name = "chain",
                                            .size = sizeof(chain),
                                            .fields = chain_fields,
                                            .field_count = 2,
                                            .field_size = sizeof(weir_field),
                                            .line = __LINE__,
                                            .file = __FILE__,
                                            .link = &chain_link};
static const weir_field chain_fields[] = {{.name = {"n", 1},
                                           .offset = offsetof(chain, n),
                                           .size = sizeof(int64_t),
                                           .kind = WEIR_KIND_INT,
                                           .min = -__builtin_infl(),
                                           .max = __builtin_infl()},
                                          {.name = {"next", 4},
                                           .offset = offsetof(chain, next),
                                           .size = sizeof(chain *),
                                           .kind = WEIR_KIND_OPTIONAL,
                                           .min = -__builtin_infl(),
                                           .max = __builtin_infl(),
                                           .model = &weir_model_chain}};

typedef struct thing {
    weir_str name, nothing;
    bool has_age;
    int16_t age;
    point at;
    point *maybe;
    weir_blob bytes;
    weir_raw_json raw;
    weir_decimal price;
    WEIR_ARRAY(weir_str) tags;
    WEIR_ARRAY(point) path;
    WEIR_MAP(weir_str) notes;
} thing;
WEIR_MODEL(thing, (name), (nothing), (age, .present = weir_flag_of(thing, has_age)),
           (at, .model = weir_model_of(point)), (maybe, .model = weir_model_of(point)), (bytes),
           (raw), (price), (tags, .array_of = weir_model_of(weir_str)),
           (path, .array_of = weir_model_of(point)), (notes, .map_of = weir_model_of(weir_str)));

static const char text[] =
    "{\"name\":\"a thing\",\"age\":7,\"at\":{\"x\":1,\"y\":2},\"maybe\":{\"x\":3,\"y\":4},"
    "\"bytes\":\"AAECAw==\",\"raw\":[1,{\"a\":2}],\"price\":\"19.90\",\"tags\":[\"t\\u00e4\",\"\"],"
    "\"path\":[{\"x\":5,\"y\":6},{\"x\":7,\"y\":8}],\"notes\":{\"k1\":\"v1\",\"k2\":\"v2\"}}";

/* A value in memory of its own, which `arena` frees. */
static void read_thing(struct weir__arena *arena, thing *out)
{
    weir__arena_init(arena, NULL, 0, 1 << 20);
    weir_str copy = weir__arena_str(arena, weir_str_from(text));
    assert_int_equal(weir__json_decode(arena, copy, weir_model_of(thing), out, NULL, NULL),
                     WEIR_OK);
    out->at.unknown = "of no model";
}

static void assert_says(const thing *t, const char *wanted)
{
    weir_buf out;
    weir_buf_init(&out, 1 << 16);
    assert_int_equal(weir_json_encode(&out, weir_model_of(thing), t), WEIR_OK);
    weir_str s = weir_buf_str(&out);
    assert_int_equal(s.len, strlen(wanted));
    assert_memory_equal(s.ptr, wanted, s.len);
    weir_buf_fini(&out);
}

static void an_image_is_whole(void **state)
{
    (void)state;
    struct weir__arena arena;
    thing t, copy;
    size_t tail;
    weir_buf was;
    read_thing(&arena, &t);
    weir_buf_init(&was, 1 << 16);
    assert_int_equal(weir_json_encode(&was, weir_model_of(thing), &t), WEIR_OK);
    weir_buf_putc(&was, '\0');
    const char *wanted = weir_buf_str(&was).ptr;
    assert_true(weir__image_prepare(weir_model_of(thing)));
    assert_int_equal(weir__image_measure(weir_model_of(thing), &t, 1 << 20, &tail), WEIR_OK);
    size_t tail_at = weir__image_tail_at(weir_model_of(thing));
    char *image = malloc(tail_at + tail); /* no byte more: AddressSanitizer looks on */
    weir__image_make(weir_model_of(thing), &t, image);
    weir__arena_fini(&arena);
    assert_says((const thing *)(void *)image, wanted);
    assert_null(((const thing *)(void *)image)->at.unknown);
    assert_null(((const thing *)(void *)image)->nothing.ptr);
    /* And its copy, when it is gone. */
    char *rest = malloc(tail);
    assert_non_null(rest);
    memcpy(&copy, image, sizeof copy);
    memcpy(rest, image + tail_at, tail);
    weir__image_settle(weir_model_of(thing), &copy, image + tail_at, rest);
    memset(image, 0xaa, tail_at + tail);
    free(image);
    assert_says(&copy, wanted);
    assert_true(copy.tags.ptr[1].ptr != NULL && copy.tags.ptr[1].len == 0);
    free(rest);
    weir_buf_fini(&was);
}

static void what_points_nowhere_is_flat(void **state)
{
    (void)state;
    point p = {1, 2, "x"};
    size_t tail = 9;
    assert_true(weir__image_prepare(weir_model_of(point)));
    assert_true(weir__image_is_flat(weir_model_of(point)));
    assert_false(weir__image_is_flat(weir_model_of(thing)));
    assert_false(weir__image_is_flat(weir_model_of(weir_str)));
    assert_int_equal(weir__image_measure(weir_model_of(point), &p, 0, &tail), WEIR_OK);
    assert_int_equal(tail, 0);
}

static void a_bare_text_has_an_image(void **state)
{
    (void)state;
    weir_str s = WEIR_S("hello");
    size_t tail;
    assert_int_equal(weir__image_measure(weir_model_of(weir_str), &s, 5, &tail), WEIR_OK);
    assert_int_equal(tail, 5);
    char *image = malloc(weir__image_tail_at(weir_model_of(weir_str)) + tail);
    weir__image_make(weir_model_of(weir_str), &s, image);
    assert_true(weir_str_eq(*(weir_str *)(void *)image, s));
    free(image);
    assert_int_equal(weir__image_measure(weir_model_of(weir_str), &s, 4, &tail), WEIR_ETOOLARGE);
}

static void rings_and_giants_are_refused(void **state)
{
    (void)state;
    size_t tail;
    chain ring = {.n = 1};
    ring.next = &ring;
    assert_true(weir__image_prepare(&weir_model_chain));
    assert_int_equal(weir__image_measure(&weir_model_chain, &ring, SIZE_MAX / 2, &tail),
                     WEIR_ETOOLARGE);
    point p = {0};
    thing t = {.path = {.ptr = &p, .len = SIZE_MAX / 8}};
    assert_int_equal(weir__image_measure(weir_model_of(thing), &t, 1 << 20, &tail), WEIR_ETOOLARGE);
    chain last = {.n = 2}, first = {.n = 1, .next = &last};
    assert_int_equal(weir__image_measure(&weir_model_chain, &first, 1 << 20, &tail), WEIR_OK);
    assert_int_equal(tail, sizeof(chain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_is_whole),
        cmocka_unit_test(what_points_nowhere_is_flat),
        cmocka_unit_test(a_bare_text_has_an_image),
        cmocka_unit_test(rings_and_giants_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
