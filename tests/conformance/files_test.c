/*
 * RFC 9110 on representations with validators: sections 8.8, 13 and 14, for the one kind that Weir
 * serves by itself, files. Their time, size and version are given, so their tag is known and every
 * rule is a row.
 */
#include "conformance.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAG "\"v1-a\"" /* the version that the folder is served with, and the size */
#define DATE "Sat, 04 Jul 2020 04:05:20 GMT"
#define BEFORE "Sat, 04 Jul 2020 04:05:19 GMT"
#define AFTER "Sat, 04 Jul 2020 04:05:21 GMT"

#define F(lines) GET("/files/a.txt") lines "\r\n\r\n"
#define WHOLE HAS("\r\n\r\n0123456789")
#define PART(bytes) HAS("\r\n\r\n" bytes "HTTP/1.1 200 OK\r\n") /* the probe's answer follows */

/* --- 8.8 Validators --------------------------------------------------------------------------- */

static const struct rule validators[] = {
    RULE("9110 8.8.3", "a strong tag", ASK("GET", "/files/a.txt"), "200", KEPT,
         HAS("\r\nETag: " TAG "\r\n")),
    RULE("9110 8.8.2", "when it was changed", ASK("GET", "/files/a.txt"), "200", KEPT,
         HAS("\r\nLast-Modified: " DATE "\r\n")),
    RULE("9110 14.3", "that parts can be asked for", ASK("GET", "/files/a.txt"), "200", KEPT,
         HAS("\r\nAccept-Ranges: bytes\r\n")),
    RULE("9110 9.3.2", "HEAD says the same", ASK("HEAD", "/files/a.txt"), "200h", KEPT,
         HAS("\r\nETag: " TAG "\r\n")),
    RULE("9110 8.6", "its length", ASK("HEAD", "/files/a.txt"), "200h", KEPT,
         HAS("\r\nContent-Length: 10\r\n")),
    RULE("9110 8.3", "its type", ASK("GET", "/files/a.txt"), "200", KEPT,
         HAS("\r\nContent-Type: text/plain; charset=utf-8\r\n")),
    RULE("9110 9.1", "nothing but GET and HEAD", ASK("DELETE", "/files/a.txt"), "405", KEPT,
         HAS("\r\nAllow: GET, HEAD, OPTIONS\r\n")),
    RULE("9110 17.3", "nothing outside of the folder", ASK("GET", "/files/..%2Fa.txt"), "404",
         KEPT),
    RULE("9110 17.3", "nor by an absolute path", ASK("GET", "/files/%2Fetc%2Fpasswd"), "404", KEPT),
    RULE("9110 17.3", "nor the folder itself", ASK("GET", "/files/sub"), "404", KEPT),
};

/* --- 13 Conditional requests ------------------------------------------------------------------ */

static const struct rule conditions[] = {
    RULE("9110 13.1.1", "If-Match: the tag", F("If-Match: " TAG), "200", KEPT, WHOLE),
    RULE("9110 13.1.1", "one of several", F("If-Match: \"x\", " TAG), "200", KEPT, WHOLE),
    RULE("9110 13.1.1", "on several lines", F("If-Match: \"x\"\r\nIf-Match: " TAG), "200", KEPT,
         WHOLE),
    RULE("9110 13.1.1", "any", F("If-Match: *"), "200", KEPT, WHOLE),
    RULE("9110 13.1.1", "another", F("If-Match: \"x\""), "412", KEPT),
    RULE("9110 13.1.1", "weakly the same is not the same", F("If-Match: W/" TAG), "412", KEPT),
    RULE("9110 13.1.1", "nothing that is a tag", F("If-Match: x"), "412", KEPT),
    RULE("9110 13.1.2", "If-None-Match: the tag", F("If-None-Match: " TAG), "304", KEPT,
         HAS("\r\nETag: " TAG "\r\n")),
    RULE("9110 15.4.5", "a 304 has a date and no content", F("If-None-Match: " TAG), "304", KEPT,
         LACKS("0123456789")),
    RULE("9110 13.1.2", "weakly the same is the same", F("If-None-Match: W/" TAG), "304", KEPT),
    RULE("9110 13.1.2", "one of several", F("If-None-Match: \"x\", \"y\", " TAG), "304", KEPT),
    RULE("9110 13.1.2", "on several lines", F("If-None-Match: \"x\"\r\nIf-None-Match: " TAG), "304",
         KEPT),
    RULE("9110 13.1.2", "any", F("If-None-Match: *"), "304", KEPT),
    RULE("9110 13.1.2", "another", F("If-None-Match: \"x\""), "200", KEPT, WHOLE),
    RULE("9110 13.1.2", "for HEAD", HEAD("/files/a.txt") "If-None-Match: " TAG "\r\n\r\n", "304h",
         KEPT),
    RULE("9110 13.1.3", "If-Modified-Since: then", F("If-Modified-Since: " DATE), "304", KEPT),
    RULE("9110 13.1.3", "later", F("If-Modified-Since: " AFTER), "304", KEPT),
    RULE("9110 13.1.3", "before", F("If-Modified-Since: " BEFORE), "200", KEPT, WHOLE),
    RULE("9110 13.1.3", "no date", F("If-Modified-Since: yesterday"), "200", KEPT, WHOLE),
    RULE("9110 13.1.3", "two dates", F("If-Modified-Since: " DATE "\r\nIf-Modified-Since: " DATE),
         "200", KEPT, WHOLE),
    RULE("9110 5.6.7", "in the form of RFC 850",
         F("If-Modified-Since: Saturday, 04-Jul-20 04:05:20 GMT"), "304", KEPT),
    RULE("9110 5.6.7", "in the form of asctime", F("If-Modified-Since: Sat Jul  4 04:05:20 2020"),
         "304", KEPT),
    RULE("9110 13.1.4", "If-Unmodified-Since: then", F("If-Unmodified-Since: " DATE), "200", KEPT,
         WHOLE),
    RULE("9110 13.1.4", "before", F("If-Unmodified-Since: " BEFORE), "412", KEPT),
    RULE("9110 13.1.4", "no date", F("If-Unmodified-Since: yesterday"), "200", KEPT, WHOLE),
    RULE("9110 13.2.2", "a tag goes before a date",
         F("If-Match: " TAG "\r\nIf-Unmodified-Since: " BEFORE), "200", KEPT, WHOLE),
    RULE("9110 13.2.2", "also to say no", F("If-None-Match: \"x\"\r\nIf-Modified-Since: " DATE),
         "200", KEPT, WHOLE),
    RULE("9110 13.2.2", "a match goes before none", F("If-None-Match: " TAG "\r\nIf-Match: \"x\""),
         "412", KEPT),
    RULE("9110 13.2.2", "both hold", F("If-None-Match: " TAG "\r\nIf-Match: " TAG), "304", KEPT),
    RULE("9110 13.2.1", "what is not there has no conditions",
         GET("/files/none") "If-None-Match: *\r\n\r\n", "404", KEPT),
    RULE("9110 13.2.1", "other methods have conditions of their own",
         POST("/made") "If-None-Match: " TAG "\r\nIf-Modified-Since: " DATE "\r\n\r\n", "200", KEPT,
         WHOLE),
};

/* --- 14 Ranges -------------------------------------------------------------------------------- */

static const struct rule ranges[] = {
    RULE("9110 14.2", "from here to there", F("Range: bytes=2-4"), "206", KEPT, PART("234")),
    RULE("9110 14.4", "which part it is", F("Range: bytes=2-4"), "206", KEPT,
         HAS("\r\nContent-Range: bytes 2-4/10\r\n")),
    RULE("9110 15.3.7", "its validators", F("Range: bytes=2-4"), "206", KEPT,
         HAS("\r\nETag: " TAG "\r\n")),
    RULE("9110 14.1.2", "the first byte", F("Range: bytes=0-0"), "206", KEPT, PART("0")),
    RULE("9110 14.1.2", "to the end", F("Range: bytes=8-"), "206", KEPT, PART("89")),
    RULE("9110 14.1.2", "past the end", F("Range: bytes=8-99999999999999999999999"), "206", KEPT,
         PART("89")),
    RULE("9110 14.1.2", "the last ones", F("Range: bytes=-3"), "206", KEPT, PART("789")),
    RULE("9110 14.1.2", "more than there are", F("Range: bytes=-30"), "206", KEPT,
         HAS("\r\nContent-Range: bytes 0-9/10\r\n")),
    RULE("9110 14.1", "units in any case", F("Range: Bytes=0-0"), "206", KEPT, PART("0")),
    RULE("9110 14.1", "another unit is passed over", F("Range: lines=0-0"), "200", KEPT, WHOLE),
    RULE("9110 14.2", "several parts are passed over: ours", F("Range: bytes=0-0,2-2"), "200", KEPT,
         WHOLE),
    RULE("9110 14.2", "the last before the first is none", F("Range: bytes=4-2"), "200", KEPT,
         WHOLE),
    RULE("9110 14.2", "nonsense is none", F("Range: bytes=a-b"), "200", KEPT, WHOLE),
    RULE("9110 14.2", "nothing is none", F("Range: bytes="), "200", KEPT, WHOLE),
    RULE("9110 15.5.17", "outside of it", F("Range: bytes=10-"), "416", KEPT,
         HAS("\r\nContent-Range: bytes */10\r\n")),
    RULE("9110 14.1.2", "no last ones", F("Range: bytes=-0"), "416", KEPT,
         HAS("\r\nContent-Range: bytes */10\r\n")),
    RULE("9110 14.2", "HEAD has no parts", HEAD("/files/a.txt") "Range: bytes=2-4\r\n\r\n", "200h",
         KEPT, HAS("\r\nContent-Length: 10\r\n")),
    RULE("9110 14.2", "nor have other methods", POST("/made") "Range: bytes=2-4\r\n\r\n", "200",
         KEPT, WHOLE),
    RULE("9110 13.2.2", "conditions go before ranges", F("Range: bytes=2-4\r\nIf-None-Match: " TAG),
         "304", KEPT),
    RULE("9110 13.1.5", "If-Range: the tag", F("Range: bytes=2-4\r\nIf-Range: " TAG), "206", KEPT,
         PART("234")),
    RULE("9110 13.1.5", "another", F("Range: bytes=2-4\r\nIf-Range: \"x\""), "200", KEPT, WHOLE),
    RULE("9110 13.1.5", "a weak one is never it", F("Range: bytes=2-4\r\nIf-Range: W/" TAG), "200",
         KEPT, WHOLE),
    RULE("9110 13.1.5", "a date that does not tell is not it",
         F("Range: bytes=2-4\r\nIf-Range: " DATE), "200", KEPT, WHOLE),
    RULE("9110 13.1.5", "two of them are none",
         F("Range: bytes=2-4\r\nIf-Range: " TAG "\r\nIf-Range: " TAG), "200", KEPT, WHOLE),
    RULE("9110 14.2", "two ranges on two lines: ours", F("Range: bytes=2-4\r\nRange: bytes=2-4"),
         "200", KEPT, WHOLE),
    RULE("9110 14.1.2", "the last ones of nothing", GET("/files/empty") "Range: bytes=-5\r\n\r\n",
         "200", KEPT),
    RULE("9110 15.5.17", "an error has no validators", F("Range: bytes=10-"), "416", KEPT,
         LACKS("ETag")),
    RULE("9110 13.1.1", "nor has a 412", F("If-Match: \"x\""), "412", KEPT, LACKS("ETag")),
    RULE("9110 13.1.5", "a later date is not it", F("Range: bytes=2-4\r\nIf-Range: " AFTER), "200",
         KEPT, WHOLE),
    RULE("9110 13.1.5", "without a range it says nothing", F("If-Range: \"x\""), "200", KEPT,
         WHOLE),
    RULE("9110 15.5.17", "nothing of what is empty", GET("/files/empty") "Range: bytes=0-0\r\n\r\n",
         "416", KEPT, HAS("\r\nContent-Range: bytes */0\r\n")),
};

/* --- the folder ------------------------------------------------------------------------------- */

static char folder[96];

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void make_file(const char *name, const char *bytes)
{
    const struct timespec times[2] = {{0x5f000000, 0}, {0x5f000000, 0}};
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
    assert_int_equal(futimens(fd, times), 0);
    assert_int_equal(close(fd), 0);
}

static weir_err serve_made(weir_ctx *c)
{
    return weir_file(c, WEIR_S("a.txt"), .root = folder, .version = "v1");
}

static void build_files(weir_group *app)
{
    build_service(app);
    weir_static(app, "/files/", folder, .version = "v1");
    weir_post(app, "/made", serve_made);
}

static int descriptors_before;

static int free_descriptor(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

static int make_folder(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.60s/weir-conformance-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    make_file("a.txt", "0123456789");
    make_file("empty", "");
    assert_int_equal(mkdir(in_folder("sub"), 0700), 0);
    service = build_files;
    descriptors_before = free_descriptor();
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    int after = free_descriptor();
    unlink(in_folder("a.txt"));
    unlink(in_folder("empty"));
    rmdir(in_folder("sub"));
    return rmdir(folder) == 0 && after == descriptors_before ? 0 : -1;
}

TABLE_TEST(validators)
TABLE_TEST(conditions)
TABLE_TEST(ranges)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_validators),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_ranges),
    };
    begin_over();
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
