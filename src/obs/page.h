/*
 * What the pages of the debugger's kind have in common: durations, places, stacks, as text and as
 * JSON; and the names of functions, each looked up once for a page, since that is slow.
 */
#ifndef WEIR_OBS_PAGE_H
#define WEIR_OBS_PAGE_H

#include "base/arena.h"
#include "base/json_encode.h"
#include "base/map.h"
#include <weir/ctx.h>

struct weir__names {
    struct weir__map map; /* key: the address' bytes; value: a weir_str in the arena */
    struct weir__arena arena;
};

void weir__names_init(struct weir__names *n);
void weir__names_fini(struct weir__names *n);

/* The name of the code at `*pc`, borrowed from `n`; "?" when there is no memory for it. */
weir_str weir__names_of(struct weir__names *n, void *const *pc);

/* "1.204 s"; "src/app/main.c:12 (serve)" after `before`, or nothing; a line for each frame. */
void weir__page_seconds(weir_buf *out, int64_t ns);
void weir__page_site(weir_buf *out, const char *before, const weir_site *site);
void weir__page_stack(struct weir__names *names, void *const *stack, size_t depth, weir_buf *out);

/* Members of an object; no member where there is no site. */
void weir__page_json_text(struct weir__json_writer *w, const char *key, weir_str value);
void weir__page_json_int(struct weir__json_writer *w, const char *key, int64_t value);
void weir__page_json_site(struct weir__json_writer *w, const char *key, const weir_site *site);
void weir__page_json_stack(struct weir__json_writer *w, struct weir__names *names,
                           void *const *stack, size_t depth);

#endif
