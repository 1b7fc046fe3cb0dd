/*
 * What the JSON codec makes of texts, for test_json.py, which asks Python's parser the same. Reads
 * texts from standard input, each behind its length in four bytes, and writes JSON for each, with a
 * byte 1e behind it: {"broken":false,"pointers":["/i"],"value":{…}}; the value is there when
 * nothing was wrong.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/json_decode.h"
#include "base/json_encode.h"
#include "base/json_thing.h"

enum { TEXT_MAX = 1 << 20, MEMORY_MAX = 64 << 20 };

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
    putchar('\x1e'); /* which no JSON has as it is; raw JSON may have line ends */
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
