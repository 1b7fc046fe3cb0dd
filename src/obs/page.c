/*
 * Pieces of pages. Function names are found after the workers were let go, each address once.
 */
#include "obs/page.h"

#include "os/symbol.h"

enum { NAMES_MAX = 65536, NAME_BYTES_MAX = 512, NAMES_BYTES_MAX = 64 << 20 };

/* --- names of functions, each looked up once -------------------------------------------------- */

void weir__names_init(struct weir__names *n)
{
    weir__map_init(&n->map, NAMES_MAX);
    weir__arena_init(&n->arena, NULL, 0, NAMES_BYTES_MAX);
}

void weir__names_fini(struct weir__names *n)
{
    weir__map_fini(&n->map);
    weir__arena_fini(&n->arena);
}

weir_str weir__names_of(struct weir__names *n, void *const *pc)
{
    const weir_str key = {(const char *)pc, sizeof *pc};
    const weir_str *known = weir__map_get(&n->map, key);
    if (known != NULL)
        return *known;
    char text[NAME_BYTES_MAX];
    weir_buf b;
    weir_buf_init_fixed(&b, text, sizeof text);
    weir__symbolise(*pc, &b);
    weir_str *name = weir__arena_alloc(&n->arena, sizeof *name);
    if (name == NULL)
        return WEIR_S("?");
    *name = weir__arena_str(&n->arena, weir_buf_str(&b));
    weir_str found = *name;
    if (weir__map_put(&n->map, key, name) < 0)
        return found; /* too many: looked up again the next time */
    return found;
}

/* --- text ------------------------------------------------------------------------------------- */

void weir__page_seconds(weir_buf *out, int64_t ns)
{
    int64_t ms = ns / 1000000;
    weir_buf_printf(out, "%lld.%03lld s", (long long)(ms / 1000), (long long)(ms % 1000));
}

void weir__page_site(weir_buf *out, const char *before, const weir_site *site)
{
    if (site != NULL)
        weir_buf_printf(out, "%s%s:%d (%s)", before, site->file, site->line, site->func);
}

void weir__page_stack(struct weir__names *names, void *const *stack, size_t depth, weir_buf *out)
{
    for (size_t i = 0; i < depth; i++)
        weir_buf_printf(out, "    " WEIR_STR_FMT "\n",
                        WEIR_STR_ARG(weir__names_of(names, &stack[i])));
}

/* --- JSON ------------------------------------------------------------------------------------- */

void weir__page_json_text(struct weir__json_writer *w, const char *key, weir_str value)
{
    weir__json_key(w, weir_str_from(key));
    weir__json_string(w, value);
}

void weir__page_json_int(struct weir__json_writer *w, const char *key, int64_t value)
{
    weir__json_key(w, weir_str_from(key));
    weir__json_int(w, value);
}

void weir__page_json_site(struct weir__json_writer *w, const char *key, const weir_site *site)
{
    if (site == NULL)
        return;
    char text[512];
    weir_buf b;
    weir_buf_init_fixed(&b, text, sizeof text);
    weir_buf_printf(&b, "%s:%d", site->file, site->line);
    weir__page_json_text(w, key, weir_buf_str(&b));
}

void weir__page_json_stack(struct weir__json_writer *w, struct weir__names *names,
                           void *const *stack, size_t depth)
{
    weir__json_key(w, WEIR_S("stack"));
    weir__json_begin_array(w);
    for (size_t i = 0; i < depth; i++)
        weir__json_string(w, weir__names_of(names, &stack[i]));
    weir__json_end_array(w);
}
