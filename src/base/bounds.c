/* See the header. */
#include "base/bounds.h"

#include <inttypes.h>
#include <stddef.h>

#include "base/assert.h"

void weir__bounds_line(struct weir__bounds *b)
{
    if (b->out->len > 0)
        weir_buf_puts(b->out, WEIR_S("; "));
    weir_buf_printf(b->out, "%s %.100s: ", b->kind, b->name);
    b->is_bad = true;
}

void weir__bounds_large(struct weir__bounds *b, const char *what, uint64_t *value,
                        uint64_t fallback, uint64_t min, uint64_t max)
{
    WEIR_ASSERT(min <= max, "something is allowed of every option");
    if (*value == 0)
        *value = fallback;
    if (*value >= min && *value <= max)
        return;
    weir__bounds_line(b);
    weir_buf_printf(b->out, "%s is %" PRIu64 "; allowed: %" PRIu64 " to %" PRIu64, what, *value,
                    min, max);
}

void weir__bounds_count(struct weir__bounds *b, const char *what, uint32_t *value,
                        uint32_t fallback, uint32_t min, uint32_t max)
{
    uint64_t large = *value;
    weir__bounds_large(b, what, &large, fallback, min, max);
    *value = (uint32_t)large;
}

static void put_dur(weir_buf *out, int64_t ns)
{
    static const struct {
        int64_t ns;
        const char *name;
    } units[] = {{INT64_C(3600000000000), "h"},
                 {INT64_C(60000000000), "min"},
                 {INT64_C(1000000000), "s"},
                 {INT64_C(1000000), "ms"},
                 {INT64_C(1000), "us"}};
    for (size_t i = 0; ns != 0 && i < sizeof units / sizeof units[0]; i++) {
        if (ns % units[i].ns == 0) {
            weir_buf_printf(out, "%" PRId64 " %s", ns / units[i].ns, units[i].name);
            return;
        }
    }
    weir_buf_printf(out, "%" PRId64 " ns", ns);
}

void weir__bounds_dur(struct weir__bounds *b, const char *what, weir_dur *value, int64_t fallback,
                      int64_t min, int64_t max)
{
    WEIR_ASSERT(fallback == 0 || (min <= fallback && fallback <= max),
                "what an option is by default is allowed");
    if (value->ns == 0)
        value->ns = fallback;
    if (value->ns >= min && value->ns <= max)
        return;
    weir__bounds_line(b);
    weir_buf_printf(b->out, "%s is ", what);
    put_dur(b->out, value->ns);
    weir_buf_puts(b->out, WEIR_S("; allowed: "));
    put_dur(b->out, min);
    weir_buf_puts(b->out, WEIR_S(" to "));
    put_dur(b->out, max);
}
