/*
 * A model with a member of every kind and most options, for the fuzzer that reads JSON and for the
 * program that is held against Python's parser (tests/fuzz/test_json.py describes it once more).
 */
#ifndef WEIR_BASE_JSON_THING_H
#define WEIR_BASE_JSON_THING_H

#include <weir/model.h>

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
    weir_wall time;
    weir_uuid id;
    weir_decimal price;
    weir_blob data;
    weir_raw_json raw;
    weir_str note;
    WEIR_MAP(weir_str) words;
    WEIR_MAP(point) spots;
    point *far;
    bool has_word, has_code, has_at;
    weir_presence note_is;
} thing;
WEIR_MODEL(thing, (b), (i), (u, .max = 999), (d), (f), (s, .json = "a key of over 16 bytes"),
           (word, .one_of = WEIR_ONE_OF("new", "paid"), .present = weir_flag_of(thing, has_word)),
           (code, .pattern = "^[A-Z]+$", .present = weir_flag_of(thing, has_code)),
           (at, .model = weir_model_of(point), .present = weir_flag_of(thing, has_at)),
           (points, .array_of = weir_model_of(point), .len_max = 3),
           (names, .array_of = weir_model_of(weir_str)),
           (ratios, .array_of = weir_model_of(double)), (flags, .array_of = weir_model_of(bool)),
           (time), (id), (price, .min = -5, .max = 1000.5), (data, .len_max = 4), (raw),
           (note, .present = weir_flag_of(thing, note_is)),
           (words, .map_of = weir_model_of(weir_str), .len_max = 3),
           (spots, .map_of = weir_model_of(point)), (far, .model = weir_model_of(point)));

#endif
