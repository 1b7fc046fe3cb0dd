/* Files: conditional requests, ranges, and paths that want out of their folder. */
#include "watch/watch.h"
#include "web/web_test_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/sys.h"

static char folder[64], secret[96], large_path[96];

static void put(const char *path, const char *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    assert_int_equal(close(fd), 0);
}

static const char *in_folder(const char *name)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    static char large[1 << 20];
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.30s/weir-file-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(secret, sizeof secret, "%s.secret", folder);
    put(secret, "secret", 6);
    put(in_folder("a.txt"), "0123456789", 10);
    put(in_folder("empty"), "", 0);
    assert_int_equal(mkdir(in_folder("sub"), 0700), 0);
    put(in_folder("sub/index.html"), "<p>", 3);
    assert_int_equal(symlink(secret, in_folder("out")), 0);
    assert_int_equal(symlink("a.txt", in_folder("within")), 0);
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)('a' + i % 26);
    snprintf(large_path, sizeof large_path, "%s/large.bin", folder);
    put(large_path, large, sizeof large);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"a.txt", "empty",  "sub/index.html",
                                        "out",   "within", "large.bin"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(unlink(in_folder(names[i])), 0);
    assert_int_equal(rmdir(in_folder("sub")), 0);
    assert_int_equal(unlink(secret), 0);
    return rmdir(folder);
}

/* A file as the answer to something else than a GET. */
static weir_err made(weir_ctx *c)
{
    return weir_file(c, WEIR_S("a.txt"), .root = folder);
}

static weir_err download(weir_ctx *c)
{
    return weir_file(c, weir_query_param(c, "name"), .root = folder, .download = "my \"file\".txt",
                     .cache_control = "no-store");
}

static weir_err trusted(weir_ctx *c)
{
    return weir_file(c, weir_str_from(large_path));
}

/* As on a kernel without openat2: the second call, which is that one, is not there. */
static weir_err old_kernel(weir_ctx *c)
{
    weir__sys_fail_nth(2, ENOSYS);
    weir_err err = weir_file(c, weir_query_param(c, "name"), .root = folder);
    weir__sys_fail_nth(0, 0);
    return err;
}

/* The n-th call fails: opening is the first, asking what it is the second. */
static weir_err failing(weir_ctx *c)
{
    int64_t nth = 0, err = 0;
    if (weir_query_param_i64(c, "call", &nth) < 0 || weir_query_param_i64(c, "err", &err) < 0)
        return weir_fail_bind(c);
    weir__sys_fail_nth((uint64_t)nth, (int)err);
    weir_err sent = weir_file(c, weir_str_from(large_path));
    weir__sys_fail_nth(0, 0);
    return sent;
}

static void build(weir_group *app)
{
    weir_get(app, "/failing", failing);
    weir_get(app, "/old", old_kernel);
    weir_static(app, "/assets/", folder);
    weir_static(app, "/cached/", folder, .cache_control = "max-age=9", .version = "v1");
    weir_static(app, "/all/", folder, .dot_files = true);
    weir_get(app, "/download", download);
    weir_get(app, "/trusted", trusted);
    weir_post(app, "/made", made);
}

static void use_whole(struct kit *k)
{
    const char *a = kit_get(k, "/assets/a.txt");
    kit_expect(a, 200, "0123456789");
    assert_true(kit_has_header(a, "Content-Type: text/plain; charset=utf-8"));
    assert_true(kit_has_header(a, "Content-Length: 10"));
    assert_true(kit_has_header(a, "X-Content-Type-Options: nosniff"));
    kit_expect(kit_get(k, "/assets/empty"), 200, "");
    kit_expect(kit_get(k, "/assets/sub/"), 200, "<p>");
    kit_expect(kit_get(k, "/assets/within"), 200, "0123456789");
    a = kit_ask(k, "HEAD", "/assets/a.txt", "", "");
    kit_expect(a, 200, "");
    assert_true(kit_has_header(a, "Content-Length: 10"));
    a = kit_get(k, "/download?name=a.txt");
    assert_true(kit_has_header(a, "Content-Disposition: attachment; filename=\"my _file_.txt\"; "
                                  "filename*=UTF-8''my%20%22file%22.txt"));
    assert_true(kit_has_header(a, "Cache-Control: no-store"));
    a = kit_get(k, "/trusted");
    assert_int_equal(strlen(kit_body(a)), 1 << 20);
    assert_memory_equal(kit_body(a) + (1 << 20) - 26 - (1 << 20) % 26, "abcdefghijklmnopqrstuvwxyz",
                        26);
}

static void test_whole_files(void **state)
{
    (void)state;
    kit_run(build, use_whole);
}

/* The value of a header of the response, up to its line's end, in the test's memory. */
static const char *header_of(struct kit *k, const char *answer, const char *name)
{
    const char *at = strstr(answer, name);
    assert_non_null(at);
    at += strlen(name) + 2;
    return weir_strdup(k->c, (weir_str){at, strcspn(at, "\r")}).ptr;
}

static const char *with(struct kit *k, const char *header, const char *value)
{
    return kit_ask(k, "GET", "/assets/a.txt", weir_sprintf(k->c, "%s: %s\r\n", header, value).ptr,
                   "");
}

static void use_conditions(struct kit *k)
{
    const char *a = kit_get(k, "/assets/a.txt");
    const char *tag = header_of(k, a, "ETag"), *date = header_of(k, a, "Last-Modified");
    a = with(k, "If-None-Match", tag);
    kit_expect(a, 304, "");
    assert_string_equal(header_of(k, a, "ETag"), tag);
    kit_expect(with(k, "If-None-Match", "\"other\""), 200, "0123456789");
    kit_expect(with(k, "If-Modified-Since", date), 304, "");
    kit_expect(with(k, "If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), 200, "0123456789");
    a = with(k, "Range", "bytes=2-4");
    kit_expect(a, 206, "234");
    assert_true(kit_has_header(a, "Content-Range: bytes 2-4/10"));
    kit_expect(with(k, "Range", "bytes=-3"), 206, "789");
    kit_expect(with(k, "Range", "bytes=8-"), 206, "89");
    kit_expect(with(k, "Range", "bytes=0-1,4-5"), 200, "0123456789");
    a = with(k, "Range", "bytes=10-");
    assert_int_equal(kit_status(a), 416);
    assert_true(kit_has_header(a, "Content-Range: bytes */10"));
    weir_str both = weir_sprintf(k->c, "%s\r\nRange: bytes=0-0", tag);
    kit_expect(with(k, "If-Range", both.ptr), 206, "0");
    kit_expect(with(k, "If-Range", "\"old\"\r\nRange: bytes=0-0"), 200, "0123456789");
}

static void test_conditions_and_ranges(void **state)
{
    (void)state;
    kit_run(build, use_conditions);
}

/* RFC 9110 section 13.2.2: in which order conditions are looked at, and for which methods. */
static void use_preconditions(struct kit *k)
{
    static const char old[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    const char *a = kit_get(k, "/assets/a.txt");
    const char *tag = header_of(k, a, "ETag"), *date = header_of(k, a, "Last-Modified");
    weir_str weak = weir_sprintf(k->c, "W/%s", tag);
    kit_expect(with(k, "If-Match", tag), 200, "0123456789");
    kit_expect(with(k, "If-Match", "*"), 200, "0123456789");
    assert_int_equal(kit_status(with(k, "If-Match", "\"other\"")), 412);
    assert_int_equal(kit_status(with(k, "If-Match", weak.ptr)), 412);
    kit_expect(with(k, "If-Unmodified-Since", date), 200, "0123456789");
    assert_int_equal(kit_status(with(k, "If-Unmodified-Since", old)), 412);
    kit_expect(with(k, "If-Unmodified-Since", "yesterday"), 200, "0123456789");
    weir_str both = weir_sprintf(k->c, "%s\r\nIf-Unmodified-Since: %s", tag, old);
    kit_expect(with(k, "If-Match", both.ptr), 200, "0123456789");
    both = weir_sprintf(k->c, "\"other\"\r\nIf-None-Match: %s", tag);
    assert_int_equal(kit_status(with(k, "If-Match", both.ptr)), 412);
    both = weir_sprintf(k->c, "\"other\"\r\nIf-Modified-Since: %s", date);
    kit_expect(with(k, "If-None-Match", both.ptr), 200, "0123456789");
    both = weir_sprintf(k->c, "\"one\"\r\nIf-None-Match: \"two\", %s", tag);
    kit_expect(with(k, "If-None-Match", both.ptr), 304, "");
    both = weir_sprintf(k->c, "%s\r\nIf-Modified-Since: %s", date, date);
    kit_expect(with(k, "If-Modified-Since", both.ptr), 200, "0123456789");
    both = weir_sprintf(k->c, "If-None-Match: %s\r\nIf-Modified-Since: %s\r\n", tag, date);
    kit_expect(kit_ask(k, "POST", "/made", both.ptr, ""), 200, "0123456789");
}

static void test_preconditions(void **state)
{
    (void)state;
    kit_run(build, use_preconditions);
}

/* RFC 9110 section 8.8.2.1: a file of tomorrow was not changed after the answer about it. */
static void use_future(struct kit *k)
{
    struct stat st;
    assert_int_equal(stat(in_folder("a.txt"), &st), 0);
    struct timespec times[2] = {st.st_atim, {st.st_mtim.tv_sec + 86400, 0}};
    assert_int_equal(utimensat(AT_FDCWD, in_folder("a.txt"), times, 0), 0);
    const char *a = kit_get(k, "/assets/a.txt"), *date = header_of(k, a, "Last-Modified");
    assert_string_equal(date, header_of(k, a, "Date"));
    kit_expect(with(k, "If-Modified-Since", date), 200, "0123456789");
    times[1] = st.st_mtim;
    assert_int_equal(utimensat(AT_FDCWD, in_folder("a.txt"), times, 0), 0);
}

static void test_no_file_is_of_tomorrow(void **state)
{
    (void)state;
    kit_run(build, use_future);
}

/* --- tags --------------------------------------------------------------------------------- */

static const char *tag_of_a(struct kit *k)
{
    return header_of(k, kit_get(k, "/assets/a.txt"), "ETag");
}

static void set_time(const char *name, int64_t second)
{
    const struct timespec times[2] = {{second, 0}, {second, 0}};
    assert_int_equal(utimensat(AT_FDCWD, in_folder(name), times, 0), 0);
}

/* Other contents of one size and one time, as archives and images unpack them. */
static void use_tags(struct kit *k)
{
    set_time("a.txt", 1);
    const char *first = tag_of_a(k), *date = "Thu, 01 Jan 1970 00:00:01 GMT";
    assert_string_equal(tag_of_a(k), first);
    assert_true(kit_has_header(kit_get(k, "/assets/a.txt"),
                               weir_sprintf(k->c, "Last-Modified: %s", date).ptr));
    struct timespec tick = {0, 20000000}; /* the kernel's clock moves on */
    assert_int_equal(nanosleep(&tick, NULL), 0);
    put(in_folder("a.txt"), "9876543210", 10);
    set_time("a.txt", 1);
    const char *second = tag_of_a(k);
    assert_string_not_equal(first, second);
    kit_expect(with(k, "If-None-Match", first), 200, "9876543210");
    weir_str part = weir_sprintf(k->c, "%s\r\nRange: bytes=0-0", first);
    kit_expect(with(k, "If-Range", part.ptr), 200, "9876543210");
    part = weir_sprintf(k->c, "%s\r\nRange: bytes=0-0", date);
    kit_expect(with(k, "If-Range", part.ptr), 200, "9876543210");
    put(in_folder("b.txt"), "0123456789", 10); /* swapped by name */
    set_time("b.txt", 1);
    char from[160];
    snprintf(from, sizeof from, "%s", in_folder("b.txt"));
    assert_int_equal(rename(from, in_folder("a.txt")), 0);
    assert_string_not_equal(tag_of_a(k), second);
    assert_string_not_equal(tag_of_a(k), first);
    const char *a = kit_get(k, "/cached/a.txt");
    assert_string_equal(header_of(k, a, "ETag"), "\"v1-a\"");
    assert_true(kit_has_header(a, "Cache-Control: max-age=9"));
    put(in_folder("a.txt"), "0123456789", 10);
}

static void test_no_two_contents_have_one_tag(void **state)
{
    (void)state;
    kit_run(build, use_tags);
}

/* What belongs to the content does not go with an error in its place, which would be cached. */
static void use_errors(struct kit *k)
{
    static const char *const asked[] = {"Range: bytes=10-\r\n", "If-Match: \"x\"\r\n"};
    static const char *const lines[] = {"ETag", "Last-Modified", "Cache-Control", "Disposition"};
    for (size_t i = 0; i < 2; i++) {
        const char *a = kit_ask(k, "GET", "/cached/a.txt", asked[i], "");
        assert_int_equal(kit_status(a), i == 0 ? 416 : 412);
        for (size_t l = 0; l < sizeof lines / sizeof lines[0]; l++)
            assert_null(strstr(a, lines[l]));
    }
    const char *a = kit_ask(k, "GET", "/cached/a.txt", "If-None-Match: \"v1-a\"\r\n", "");
    kit_expect(a, 304, "");
    assert_true(kit_has_header(a, "Cache-Control: max-age=9"));
    assert_true(kit_has_header(a, "ETag: \"v1-a\""));
}

static void test_errors_are_not_cached_as_the_file(void **state)
{
    (void)state;
    kit_run(build, use_errors);
}

/* --- names with a dot ----------------------------------------------------------------------- */

static void use_dots(struct kit *k)
{
    static const struct {
        const char *path;
        int status, status_of_all;
    } rows[] = {
        {".env", 404, 200},        {".git/config", 404, 200},      {"sub/.htpasswd", 404, 200},
        {"%2eenv", 404, 200},      {".git%2Fconfig", 404, 200},    {"..env", 404, 404},
        {"a.txt", 200, 200},       {".well-known/acme", 200, 200}, {".well-known/.x", 404, 404},
        {".well-known", 404, 404}, {".well-known-x", 404, 404},    {"sub/.well-known/x", 404, 404},
        {"sub/..", 400, 400},
    };
    assert_int_equal(mkdir(in_folder(".git"), 0700), 0);
    assert_int_equal(mkdir(in_folder(".well-known"), 0700), 0);
    static const char *const names[] = {".env", ".git/config", "sub/.htpasswd", ".well-known/acme"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        put(in_folder(names[i]), "dot", 3);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weir_str path = weir_sprintf(k->c, "/assets/%s", rows[i].path);
        assert_int_equal(kit_status(kit_get(k, path.ptr)), rows[i].status);
        path = weir_sprintf(k->c, "/all/%s", rows[i].path);
        assert_int_equal(kit_status(kit_get(k, path.ptr)), rows[i].status_of_all);
        path = weir_sprintf(k->c, "/download?name=%s", rows[i].path);
        int status = rows[i].status == 400 ? 404 : rows[i].status;
        assert_int_equal(kit_status(kit_get(k, path.ptr)), status);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(unlink(in_folder(names[i])), 0);
    assert_int_equal(rmdir(in_folder(".git")), 0);
    assert_int_equal(rmdir(in_folder(".well-known")), 0);
}

static void test_names_with_a_dot_are_not_there(void **state)
{
    (void)state;
    kit_run(build, use_dots);
}

static void use_escapes(struct kit *k)
{
    static const char *const paths[] = {
        "/assets/none.txt",
        "/assets/sub",
        "/assets/out",
        "/assets/..%2F..%2Fetc%2Fpasswd",
        "/assets/sub%2F..%2F..",
        "/assets/a.txt%2F",
        "/download?name=/etc/passwd",
        "/download?name=../etc/passwd",
        "/download?name=a.txt%00",
        "/download?name=sub/../../x",
        "/download?name=",
        "/download?name=.",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const char *a = kit_get(k, paths[i]);
        if (kit_status(a) != 404 || strstr(a, "secret") != NULL || strstr(a, "root:") != NULL)
            fail_msg("%s: %s", paths[i], a);
    }
    assert_int_equal(kit_status(kit_get(k, "/assets/../x")), 400);
    assert_int_equal(kit_status(kit_get(k, "/assets/%2e%2e/x")), 400);
}

static void test_a_path_cannot_leave_its_folder(void **state)
{
    (void)state;
    kit_run(build, use_escapes);
}

static void use_old_kernel(struct kit *k)
{
    kit_expect(kit_get(k, "/old?name=a.txt"), 200, "0123456789");
    kit_expect(kit_get(k, "/old?name=sub/index.html"), 200, "<p>");
    static const char *const paths[] = {"out",  "within",          "sub",    "../x", "sub/../../x",
                                        "none", "sub//index.html", "a.txt/x"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const char *a = kit_get(k, weir_sprintf(k->c, "/old?name=%s", paths[i]).ptr);
        assert_int_equal(kit_status(a), 404);
    }
}

static void test_a_kernel_without_openat2_follows_no_link(void **state)
{
    (void)state;
    kit_run(build, use_old_kernel);
}

static void use_failing(struct kit *k)
{
    static const struct {
        int call, err, status;
    } rows[] = {
        {1, ENOENT, 404}, {1, EACCES, 404},    {1, ENAMETOOLONG, 404}, {1, EIO, 500},
        {1, EMFILE, 503}, {1, ENOMEM, 503},    {2, ENOMEM, 503},       {2, EIO, 500},
        {2, ENFILE, 503}, {2, EOVERFLOW, 500},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weir_str target = weir_sprintf(k->c, "/failing?call=%d&err=%d", rows[i].call, rows[i].err);
        assert_int_equal(kit_status(kit_get(k, target.ptr)), rows[i].status);
    }
}

static void test_a_broken_disk_is_not_a_missing_file(void **state)
{
    (void)state;
    kit_run(build, use_failing);
}

static void test_no_descriptor_is_left(void **state)
{
    (void)state;
    int before = dup(0);
    close(before);
    kit_run(build, use_escapes);
    kit_run(build, use_conditions);
    kit_run(build, use_old_kernel);
    kit_run(build, use_failing);
    int after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_files),
        cmocka_unit_test(test_conditions_and_ranges),
        cmocka_unit_test(test_preconditions),
        cmocka_unit_test(test_no_file_is_of_tomorrow),
        cmocka_unit_test(test_no_two_contents_have_one_tag),
        cmocka_unit_test(test_errors_are_not_cached_as_the_file),
        cmocka_unit_test(test_names_with_a_dot_are_not_there),
        cmocka_unit_test(test_a_path_cannot_leave_its_folder),
        cmocka_unit_test(test_a_kernel_without_openat2_follows_no_link),
        cmocka_unit_test(test_a_broken_disk_is_not_a_missing_file),
        cmocka_unit_test(test_no_descriptor_is_left),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
