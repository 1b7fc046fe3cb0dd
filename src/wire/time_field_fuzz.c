/*
 * Retry-After and what is left of a deadline. Digits mean what the C library says, up to the
 * bounds; nothing else is a deadline; what was read is, written, the same without zeroes in front.
 */
#include "base/fuzz.h"
#include "wire/date.h"
#include "wire/time_field.h"

enum { MAX = 86400 };

static bool is_digits(weir_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    }
    return s.len > 0;
}

static void check_deadline(weir_str s)
{
    char text[16] = "", out[WEIR__DEADLINE_TEXT_MAX];
    int64_t ms = -1;
    bool is_good = is_digits(s) && s.len <= 9;
    weir_err err = weir__deadline_parse(s, &ms);
    FUZZ_CHECK((err == WEIR_OK) == is_good, WEIR_STR_FMT ": %d", WEIR_STR_ARG(s), err);
    if (!is_good)
        return;
    memcpy(text, s.ptr, s.len);
    FUZZ_CHECK(ms == strtoll(text, NULL, 10), "%s: %lld", text, (long long)ms);
    size_t zeroes = strspn(text, "0"), n = weir__deadline_write(out, ms);
    const char *rest = zeroes == s.len ? "0" : text + zeroes;
    FUZZ_CHECK(weir_str_eq((weir_str){out, n}, weir_str_from(rest)), "%.*s", (int)n, out);
}

static void check_retry(weir_str s, int64_t now)
{
    int64_t seconds = -1, at = 0;
    weir_err err = weir__retry_after_parse(s, now, MAX, &seconds);
    bool is_date = weir__date_parse(s, now, &at) == WEIR_OK;
    FUZZ_CHECK((err == WEIR_OK) == (is_digits(s) || is_date), "%d", err);
    FUZZ_CHECK(err != WEIR_OK || (seconds >= 0 && seconds <= MAX), "%lld", (long long)seconds);
    if (err == WEIR_OK && is_date && at > now && at - now <= MAX)
        FUZZ_CHECK(now + seconds == at, "%lld", (long long)seconds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_dice dice = fuzz_dice_of(data, size);
    char *bytes = fuzz_copy(data, size);
    check_deadline((weir_str){bytes, size});
    check_retry((weir_str){bytes, size}, 784111777 + (int64_t)fuzz_below(&dice, 100000));
    free(bytes);
    return 0;
}
