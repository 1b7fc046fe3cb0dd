/*
 * Checking values against a model's options, with messages for people; and binding texts (query,
 * form and path values) to members. The JSON decoder uses the same checks.
 */
#ifndef WEIR_BASE_VALIDATE_H
#define WEIR_BASE_VALIDATE_H

#include "base/arena.h"
#include "base/model.h"

/* Where an error is: a chain from the value outwards, on the stack. */
struct weir__path {
    const struct weir__path *up;
    const struct weir__member
        *member; /* NULL: an item, of a map at `key`, of an array at `index` */
    size_t index;
    weir_str key; /* also when there is no member of that name */
};

/*
 * What a check needs to report. `text` and `at` give line and column; NULL where there is no text.
 */
struct weir__report {
    struct weir__arena *arena;
    weir_json_errors *errors; /* NULL: only whether there was one counts */
    const char *text, *at;
    size_t total; /* errors found */
    weir_err err; /* WEIR_EBUDGET or -ENOMEM, when memory failed */
};

void weir__report_init(struct weir__report *r, struct weir__arena *arena, weir_json_errors *errors);

/* Adds an error. Out of memory shortens it to a constant text. */
void weir__report_add(struct weir__report *r, const struct weir__path *path, const char *format,
                      ...) WEIR_PRINTF(3, 4);

/* What the report comes to: memory's error, WEIR_EINVALID when there is any, else WEIR_OK. */
weir_err weir__report_result(const struct weir__report *r);

/* Notes that the arena refused. */
void weir__report_no_memory(struct weir__report *r);

/* Checks a value of member `m`, which is at `path`; false when an error was reported. */
bool weir__check_int(struct weir__report *r, const struct weir__path *path,
                     const struct weir__member *m, int64_t value);
bool weir__check_uint(struct weir__report *r, const struct weir__path *path,
                      const struct weir__member *m, uint64_t value);
bool weir__check_float(struct weir__report *r, const struct weir__path *path,
                       const struct weir__member *m, double value);
bool weir__check_text(struct weir__report *r, const struct weir__path *path,
                      const struct weir__member *m, weir_str value);
bool weir__check_items(struct weir__report *r, const struct weir__path *path,
                       const struct weir__member *m, size_t count);

/* Reports an integer that no 64 bits hold, by its sign. */
void weir__report_past_range(struct weir__report *r, const struct weir__path *path,
                             const struct weir__member *m, bool is_negative);

/* Reports a length outside of its bounds; `what` is one of what is counted. False. */
bool weir__report_len(struct weir__report *r, const struct weir__path *path,
                      const struct weir__member *m, size_t len, const char *what);

/*
 * Room for one more item behind the `len` of an array that grows by doubling (from 4), zeroed;
 * NULL when memory failed, which is noted.
 */
void *weir__array_next(struct weir__report *r, struct weir__array *a, size_t item_size);

/* Reports what is required and is not among `seen`. */
void weir__check_required(struct weir__report *r, const struct weir__path *path,
                          const struct weir__model_tables *t, const struct weir__member_set *seen);

/*
 * Checks a whole struct, nested ones and arrays included. WEIR_OK, WEIR_EINVALID with `errors`
 * (may be NULL) filled, or -ENOMEM. A required text must not be absent; whether a number was there
 * only its `.present` flag can say.
 */
WEIR_MUST_USE weir_err weir__model_validate(struct weir__arena *arena, const weir_model *model,
                                            const void *object, weir_json_errors *errors);

/*
 * A boolean as text: true, 1, on, and the absent string (a name without a value); false, 0, off.
 * WEIR_EINVALID for another; `out` is set on success only.
 */
WEIR_MUST_USE weir_err weir__text_bool(weir_str text, bool *out);

/*
 * Binding texts to members: begin, a text for each key, end. The object is zeroed at the start; a
 * text for an array member of scalars adds an item. Texts and raw JSON of members are views of what
 * is given, bytes are in the arena. The absent text is a key without a value ("?on"), which is true
 * as a boolean and "" as a text.
 * `end` reports what is missing, too short or too long, and returns WEIR_OK, WEIR_EINVALID,
 * WEIR_EBUDGET or -ENOMEM.
 */
struct weir__binder {
    struct weir__report report;
    const struct weir__model_tables *tables;
    void *object;
    struct weir__member_set seen;
    weir_err err;
};

void weir__bind_begin(struct weir__binder *b, struct weir__arena *arena, const weir_model *model,
                      void *object, weir_json_errors *errors);
void weir__bind_text(struct weir__binder *b, weir_str key, weir_str text);

/* In place of weir__bind_text: the key was given, with a value that is wrong as `what` says. */
void weir__bind_bad(struct weir__binder *b, weir_str key, const char *what);
WEIR_MUST_USE weir_err weir__bind_end(struct weir__binder *b);

/*
 * Binds one text to one member of `object` and checks it, without begin and end (a single path
 * value). Returns WEIR_OK, WEIR_EINVALID, WEIR_EBUDGET or -ENOMEM.
 */
WEIR_MUST_USE weir_err weir__model_bind_text(struct weir__report *r, const struct weir__member *m,
                                             weir_str text, void *object);

#endif
