/* Digits and dates; bounds before arithmetic. */
#include "wire/time_field.h"

#include "base/num.h"
#include "wire/date.h"
#include "wire/http_field.h"

/* Digits alone; false for all else. Saturates: a number too large is too large in any case. */
static bool read_digits(weir_str s, int64_t *out)
{
    int64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!weir__http_byte_is(s.ptr[i], WEIR_BYTE_DIGIT))
            return false;
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, s.ptr[i] - '0', &n))
            n = INT64_MAX;
    }
    *out = n;
    return s.len > 0;
}

weir_err weir__retry_after_parse(weir_str value, int64_t now, int64_t max, int64_t *seconds)
{
    int64_t at;
    if (!read_digits(value, seconds)) {
        if (weir__date_parse(value, now, &at) != WEIR_OK)
            return WEIR_EINVALID;
        if (at <= now || __builtin_sub_overflow(at, now, seconds))
            *seconds = 0;
    }
    if (*seconds > max)
        *seconds = max;
    return WEIR_OK;
}

weir_err weir__deadline_parse(weir_str value, int64_t *ms)
{
    if (value.len > WEIR__DEADLINE_TEXT_MAX || !read_digits(value, ms))
        return WEIR_EINVALID;
    return WEIR_OK;
}

size_t weir__deadline_write(char out[WEIR__DEADLINE_TEXT_MAX], int64_t ms)
{
    char text[WEIR__INT_TEXT_MAX];
    if (ms < 0)
        ms = 0;
    if (ms > WEIR__DEADLINE_MS_MAX)
        ms = WEIR__DEADLINE_MS_MAX;
    size_t n = weir__num_put_u64(text, (uint64_t)ms);
    memcpy(out, text, n);
    return n;
}
