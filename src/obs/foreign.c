/*
 * The table of foreign descriptors as text. Owns nothing.
 */
#include "obs/foreign.h"

static const char *name_of(uint8_t state)
{
    switch ((enum weir__foreign_state)state) {
    case WEIR__FOREIGN_EARLY:
        return "from the start";
    case WEIR__FOREIGN_SEEN:
        return "seen once";
    case WEIR__FOREIGN_TOLD:
        break;
    }
    return "reported";
}

void weir__foreign_text(const struct weir__foreign *f, weir_time now, weir_buf *out)
{
    weir_buf_printf(out,
                    "descriptors that were opened neither through a context nor by Weir: %u\n"
                    "%llu audits, %llu reported in all, %llu without room in this table\n\n"
                    "    fd        age  state           what\n",
                    f->count, (unsigned long long)f->audits, (unsigned long long)f->told,
                    (unsigned long long)f->overlooked);
    for (uint32_t i = 0; i < f->count; i++) {
        const struct weir__foreign_fd *e = &f->fds[i];
        long long ms = weir_time_sub(now, e->since).ns / 1000000;
        weir_buf_printf(out, "%6d %7lld.%lld s  %-14s  %s\n", e->num, ms / 1000, ms % 1000 / 100,
                        name_of(e->state), e->what);
    }
}
