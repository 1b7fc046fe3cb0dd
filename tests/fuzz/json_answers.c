/*
 * What the JSON codec makes of texts, for test_json.py, which asks Python's parser the same. Reads
 * texts from standard input, each behind its length in four bytes, and writes a line of JSON for
 * each: {"broken":false,"pointers":["/i"],"value":{…}}; the value is there when nothing was wrong.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/json_decode.h"
#include "base/json_encode.h"

enum { TEXT_MAX = 1 << 20, MEMORY_MAX = 64 << 20 };

typedef struct {
    int8_t x;
    weir_str tag;
    bool has_tag;
} point;
WEIR_MODEL_STRICT(point, (x, .required = true, .min = -5),
                  (tag, .len_max = 3, .present = weir_flag_of(point, has_tag)));

typedef struct {
    bool b;
    int64_t i;
    uint16_t u;
    double d;
    float f;
    weir_str s, word, code;
    point at;
    WEIR_ARRAY(point) points;
    WEIR_ARRAY(weir_str) names;
    WEIR_ARRAY(double) ratios;
    WEIR_ARRAY(bool) flags;
    bool has_word, has_code, has_at;
} thing;
WEIR_MODEL(thing, (b), (i), (u, .max = 999), (d), (f), (s, .json = "a key of over 16 bytes"),
           (word, .one_of = WEIR_ONE_OF("new", "paid"), .present = weir_flag_of(thing, has_word)),
           (code, .pattern = "^[A-Z]+$", .present = weir_flag_of(thing, has_code)),
           (at, .model = weir_model_of(point), .present = weir_flag_of(thing, has_at)),
           (points, .array_of = weir_model_of(point), .len_max = 3),
           (names, .array_of = weir_model_of(weir_str)),
           (ratios, .array_of = weir_model_of(double)), (flags, .array_of = weir_model_of(bool)));

static void write_answer(weir_buf *out, weir_err err, const weir_json_errors *errors,
                         const thing *value)
{
    struct weir__json_writer w;
    weir__json_writer_init_buf(&w, out);
    weir__json_begin_object(&w);
    weir__json_key(&w, WEIR_S("broken"));
    weir__json_bool(&w, errors->count > 0 &&
                            weir_str_starts(errors->items[0].message, WEIR_S("is not JSON: ")));
    weir__json_key(&w, WEIR_S("pointers"));
    weir__json_begin_array(&w);
    for (size_t i = 0; i < errors->count; i++)
        weir__json_string(&w, errors->items[i].pointer);
    weir__json_end_array(&w);
    if (err == WEIR_OK) {
        weir__json_key(&w, WEIR_S("value"));
        weir__json_write_model(&w, weir_model_of(thing), value);
    }
    weir__json_end_object(&w);
    if (weir__json_writer_fini_buf(&w) != WEIR_OK)
        abort();
}

static void answer(weir_str text)
{
    struct weir__arena arena;
    weir_json_errors errors;
    weir_buf out;
    thing value;
    weir__arena_init(&arena, NULL, 0, MEMORY_MAX);
    weir_buf_init(&out, 8 * TEXT_MAX);
    weir_err err = weir__json_decode(&arena, text, weir_model_of(thing), &value, NULL, &errors);
    write_answer(&out, err, &errors, &value);
    fwrite(out.ptr, 1, out.len, stdout);
    putchar('\n');
    weir_buf_fini(&out);
    weir__arena_fini(&arena);
}

int main(void)
{
    uint32_t size;
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        char *text = malloc(size > 0 ? size : 1);
        if (size > TEXT_MAX || text == NULL || fread(text, 1, size, stdin) != size)
            return 1;
        answer((weir_str){text, size});
        free(text);
    }
    return 0;
}
