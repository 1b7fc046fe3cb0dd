/*
 * HTTP dates. The first eight bytes of the input are an instant, the rest is a date as a client
 * might send it. An instant is written as the C library's calendar has it, and read back in all
 * three forms. A text that is read is, written again in the form it had, the same text, but for the
 * name of the day, which nobody checks, a leap second, and a day of one digit after a zero.
 */
#include "base/fuzz.h"
#include "wire/date.h"

#include <time.h>

#define SECOND_MIN (-62135596800LL)
#define SECOND_MAX 253402300799LL
#define YEARS_51 (51 * 366 * 86400LL)
#define YEAR_OF(seconds) (gmtime(&(time_t){seconds})->tm_year)

enum { FIXDATE, RFC850, ASCTIME, FORMS };

/* The date of an instant in one of the forms, by the C library. */
static size_t print(char out[64], int form, int64_t seconds)
{
    static const char *const formats[] = {
        [FIXDATE] = "%s, %02d %s %04d %02d:%02d:%02d GMT",
        [RFC850] = "%s, %02d-%s-%02d %02d:%02d:%02d GMT",
        [ASCTIME] = "%s %s %2d %02d:%02d:%02d %04d",
    };
    time_t t = (time_t)seconds;
    struct tm tm;
    char day[16], month[16];
    FUZZ_CHECK(gmtime_r(&t, &tm) != NULL, "%lld has no date", (long long)seconds);
    strftime(day, sizeof day, form == RFC850 ? "%A" : "%a", &tm);
    strftime(month, sizeof month, "%b", &tm);
    int year = tm.tm_year + 1900;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (form == ASCTIME)
        return (size_t)snprintf(out, 64, formats[form], day, month, tm.tm_mday, tm.tm_hour,
                                tm.tm_min, tm.tm_sec, year);
    return (size_t)snprintf(out, 64, formats[form], day, tm.tm_mday, month,
                            form == RFC850 ? year % 100 : year, tm.tm_hour, tm.tm_min, tm.tm_sec);
#pragma GCC diagnostic pop
}

static void check_instant(int64_t seconds)
{
    char text[WEIR_DATE_LEN], expected[64];
    int64_t cut = seconds < SECOND_MIN ? SECOND_MIN : seconds > SECOND_MAX ? SECOND_MAX : seconds;
    weir__date_format(text, seconds);
    size_t n = print(expected, FIXDATE, cut);
    FUZZ_CHECK(n == WEIR_DATE_LEN && memcmp(text, expected, n) == 0, "%.29s instead of %s", text,
               expected);
    for (int form = 0; form < FORMS; form++) {
        int64_t back = 0;
        n = print(expected, form, cut);
        weir_err err = weir__date_parse((weir_str){expected, n}, cut, &back);
        FUZZ_CHECK(err == WEIR_OK && back == cut, "%s: %d, %lld", expected, err, (long long)back);
    }
}

/* The text behind its day's name, a leap second as the one before, a zero before a day blank. */
static weir_str normal(char *text, size_t n, int form)
{
    char *behind = form == RFC850 ? memchr(text, ',', n) : text + 3;
    char *second = text + n - (form == ASCTIME ? 7 : 6);
    if (memcmp(second, "60", 2) == 0)
        memcpy(second, "59", 2);
    if (form == ASCTIME && text[8] == '0')
        text[8] = ' ';
    return (weir_str){behind, (size_t)(text + n - behind)};
}

static void check_text(weir_str s, int64_t now)
{
    char read[64], expected[64];
    int64_t seconds;
    if (weir__date_parse(s, now, &seconds) != WEIR_OK)
        return;
    FUZZ_CHECK(s.len < sizeof read, "%zu bytes are a date", s.len);
    int form = s.ptr[3] == ',' ? FIXDATE : s.ptr[3] == ' ' ? ASCTIME : RFC850;
    memcpy(read, s.ptr, s.len);
    size_t n = print(expected, form, seconds);
    FUZZ_CHECK(weir_str_eq(normal(read, s.len, form), normal(expected, n, form)),
               WEIR_STR_FMT " is read as %s", WEIR_STR_ARG(s), expected);
    int ahead = YEAR_OF(seconds) - YEAR_OF(now);
    FUZZ_CHECK(form != RFC850 || (ahead > -50 && ahead <= 50), WEIR_STR_FMT " is %d years ahead",
               WEIR_STR_ARG(s), ahead);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, data + size};
    uint64_t drawn = fuzz_u64(&in);
    int64_t instant = (int64_t)drawn;
    const int64_t from = SECOND_MIN + YEARS_51, to = SECOND_MAX - YEARS_51;
    check_instant(instant);
    check_instant(SECOND_MIN + (int64_t)(drawn % (uint64_t)(SECOND_MAX - SECOND_MIN)));
    weir_str text = {(const char *)in.at, (size_t)(in.end - in.at)};
    char *bytes = fuzz_copy(text.ptr, text.len);
    check_text((weir_str){bytes, text.len}, from + (int64_t)(drawn % (uint64_t)(to - from)));
    free(bytes);
    return 0;
}
