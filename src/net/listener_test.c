/*
 * Listening sockets with the kernel: ports of its choice, local ones in a folder of their own, and
 * those that were inherited.
 */
#include "net/listener.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/sys.h"

static const struct weir__listener_options options;
static char folder[64], message[300];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/weir-listener-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder); /* nothing is left in it */
}

static weir_err open_at(const char *where, struct weir__listener *l)
{
    message[0] = '\0';
    return weir__listener_open(weir_str_from(where), &options, l, message, sizeof message);
}

/* "unix:FOLDER/s" and what follows. */
static const char *local(const char *suffix)
{
    static char where[128];
    snprintf(where, sizeof where, "unix:%s/s%s", folder, suffix);
    return where;
}

static const char *path(void)
{
    return local("") + 5;
}

static void end(struct weir__listener *l)
{
    weir__local_remove(&l->file);
    assert_int_equal(weir__sys_close(l->num), 0);
}

static bool can_connect(const char *where)
{
    struct sockaddr_storage addr;
    socklen_t len = weir__local_address(weir_str_from(where), &addr);
    int fd = weir__sys_socket(AF_UNIX, SOCK_STREAM, 0);
    int err = weir__sys_connect(fd, (struct sockaddr *)&addr, len);
    weir__sys_close(fd);
    return err == 0;
}

static void test_busy_port(void **state)
{
    struct weir__listener l, second;
    char expected[200], where[WEIR__ENDPOINT_TEXT_MAX];
    (void)state;
    assert_int_equal(open_at("127.0.0.1:0", &l), 0);
    assert_true(l.bound.port > 0);
    weir__endpoint_format(&l.bound, where);
    snprintf(expected, sizeof expected, "http://%s", where);
    assert_string_equal(l.url, expected);
    assert_int_equal(open_at(where, &second), -EADDRINUSE);
    snprintf(expected, sizeof expected, "listen on %s: address already in use", where);
    assert_string_equal(message, expected);
    end(&l);
    assert_int_equal(open_at("nowhere", &l), -EINVAL);
    assert_non_null(strstr(message, "listen on nowhere: not an address"));
}

static void test_addresses_are_checked(void **state)
{
    static const char *const good[] = {":0",      "[::1]:80",          "unix:/a",
                                       "unix:@a", "unix:a,mode=0600",  "unix:/a,b",
                                       "fd:3",    "unix:/a,mode=0777", "localhost:1"};
    static const char *const bad[] = {"",
                                      "unix:",
                                      "unix:@",
                                      "fd:",
                                      "fd:2",
                                      "fd:x",
                                      "unix:/a,mode=0888",
                                      "unix:/a,mode=",
                                      "fd:-3",
                                      "unix:,mode=0600",
                                      "unix:/a,mode=1777"};
    char too_long[WEIR__LOCAL_TEXT_MAX] = "unix:/";
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_null(weir__listener_check(weir_str_from(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_non_null(weir__listener_check(weir_str_from(bad[i])));
    memset(too_long + 6, 'x', 106);
    assert_null(weir__listener_check(weir_str_from(too_long)));
    too_long[112] = 'x';
    assert_non_null(weir__listener_check(weir_str_from(too_long)));
}

/* --- local ones --------------------------------------------------------------------------- */

static void test_a_local_one_comes_and_goes(void **state)
{
    struct weir__listener l;
    struct stat st;
    (void)state;
    assert_int_equal(open_at(local(""), &l), 0);
    assert_string_equal(l.url, local(""));
    assert_int_equal(l.bound.family, AF_UNIX);
    assert_int_equal(stat(path(), &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_true(can_connect(local("")));
    end(&l);
    assert_int_equal(stat(path(), &st), -1);
}

static void test_its_mode_is_as_asked_for(void **state)
{
    struct weir__listener l;
    struct stat st;
    (void)state;
    static const mode_t masks[] = {0, 022, 0777};
    for (size_t i = 0; i < 3; i++) {
        mode_t before = umask(masks[i]);
        weir_err err = open_at(local(",mode=0660"), &l);
        umask(before);
        assert_int_equal(err, 0);
        assert_string_equal(l.url, local(""));
        assert_int_equal(stat(path(), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0660);
        end(&l);
    }
    assert_int_equal(open_at(local(",mode=9"), &l), -EINVAL);
    assert_non_null(strstr(message, "the mode is octal"));
}

static void test_a_live_one_is_not_replaced(void **state)
{
    struct weir__listener l, second;
    (void)state;
    assert_int_equal(open_at(local(""), &l), 0);
    assert_int_equal(open_at(local(""), &second), -EADDRINUSE);
    assert_non_null(strstr(message, "another process listens there"));
    assert_true(can_connect(local("")));
    end(&l);
}

static void test_a_dead_one_is_replaced(void **state)
{
    struct weir__listener l;
    (void)state;
    assert_int_equal(open_at(local(""), &l), 0);
    weir__sys_close(l.num); /* as a kill leaves it */
    assert_false(can_connect(local("")));
    assert_int_equal(open_at(local(""), &l), 0);
    assert_true(can_connect(local("")));
    end(&l);
}

static void test_another_kind_of_file_is_not_touched(void **state)
{
    struct weir__listener l;
    (void)state;
    int fd = open(path(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(open_at(local(""), &l), -EADDRINUSE);
    assert_non_null(strstr(message, "which is no socket"));
    assert_int_equal(unlink(path()), 0);
    assert_int_equal(open_at("unix:/nowhere/at/all", &l), -ENOENT);
    assert_non_null(strstr(message, "No such file"));
}

/* Who was replaced in the meantime does not take its successor's file away. */
static void test_only_its_own_file_is_removed(void **state)
{
    struct weir__listener old, new;
    char aside[128];
    (void)state;
    snprintf(aside, sizeof aside, "%s/aside", folder);
    assert_int_equal(open_at(local(""), &old), 0);
    assert_int_equal(rename(path(), aside), 0);
    assert_int_equal(open_at(local(""), &new), 0);
    end(&old);
    assert_true(can_connect(local("")));
    assert_int_equal(unlink(aside), 0);
    end(&new);
}

static void test_abstract_names(void **state)
{
    struct weir__listener l, second;
    char where[64];
    (void)state;
    snprintf(where, sizeof where, "unix:@weir-test-%d", getpid());
    assert_int_equal(open_at(where, &l), 0);
    assert_string_equal(l.url, where);
    assert_true(can_connect(where));
    assert_int_equal(open_at(where, &second), -EADDRINUSE);
    end(&l);
    assert_false(can_connect(where));
}

/* Many start at once on a dead file: one of them gets it, and keeps it. */
static void test_one_of_many_gets_it(void **state)
{
    enum { MANY = 8 };
    struct weir__listener l;
    int go[2], stay[2], won[2];
    (void)state;
    assert_int_equal(open_at(local(""), &l), 0);
    weir__sys_close(l.num);
    assert_int_equal(pipe2(go, O_CLOEXEC) | pipe2(stay, O_CLOEXEC) | pipe2(won, O_CLOEXEC), 0);
    for (int i = 0; i < MANY; i++) {
        if (fork() != 0)
            continue;
        char byte;
        close(go[1]);
        close(stay[1]);
        (void)!read(go[0], &byte, 1); /* until all are there */
        byte = open_at(local(""), &l) == 0 ? 'y' : 'n';
        (void)!write(won[1], &byte, 1);
        (void)!read(stay[0], &byte, 1);
        _exit(0);
    }
    close(go[1]);
    int winners = 0;
    for (int i = 0; i < MANY; i++) {
        char byte = 0;
        assert_int_equal(read(won[0], &byte, 1), 1);
        winners += byte == 'y';
    }
    assert_int_equal(winners, 1);
    assert_true(can_connect(local("")));
    close(stay[1]);
    for (int i = 0; i < MANY; i++)
        wait(NULL);
    int ends[] = {go[0], stay[0], won[0], won[1]};
    for (size_t i = 0; i < 4; i++)
        close(ends[i]);
    assert_int_equal(unlink(path()), 0);
}

/* --- inherited ones ----------------------------------------------------------------------- */

static void test_an_inherited_one(void **state)
{
    struct weir__listener l, again;
    char where[32];
    (void)state;
    assert_int_equal(open_at(local(""), &l), 0);
    snprintf(where, sizeof where, "fd:%d", l.num);
    fcntl(l.num, F_SETFD, 0);
    fcntl(l.num, F_SETFL, 0);
    assert_int_equal(open_at(where, &again), 0);
    assert_int_equal(again.num, l.num);
    assert_string_equal(again.url, local(""));
    assert_int_equal(fcntl(l.num, F_GETFD), FD_CLOEXEC);
    assert_true((fcntl(l.num, F_GETFL) & O_NONBLOCK) != 0);
    assert_string_equal(again.file.path, ""); /* who made it takes it away */
    end(&l);
    assert_int_equal(open_at(where, &again), -EBADF);
    assert_non_null(strstr(message, "it is not open"));
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    snprintf(where, sizeof where, "fd:%d", fd);
    assert_int_equal(open_at(where, &again), -EINVAL);
    assert_non_null(strstr(message, "no socket that listens"));
    close(fd);
}

/* Whatever fails, no descriptor and no file stays. */
static void test_whatever_fails_nothing_stays(void **state)
{
    static const char *const wheres[] = {"", ",mode=0660", ",dead"};
    (void)state;
    for (size_t w = 0; w < 3; w++) {
        for (uint64_t n = 1, made = UINT64_MAX; n <= made; n++) {
            struct weir__listener l;
            if (w == 2) {
                assert_int_equal(open_at(local(wheres[w]), &l), 0);
                weir__sys_close(l.num);
            }
            int before = dup(0);
            uint64_t count = weir__sys_count();
            weir__sys_fail_nth(n, EACCES);
            weir_err err = open_at(local(wheres[w]), &l);
            weir__sys_fail_nth(0, 0);
            made = weir__sys_count() - count;
            if (err == 0)
                end(&l);
            else
                assert_true(strlen(message) > 0);
            int after = dup(0);
            close(before);
            close(after);
            assert_int_equal(after, before + 1);
            (void)unlink(local(wheres[w]) + 5); /* a dead one that could not be replaced */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_busy_port),
        cmocka_unit_test(test_addresses_are_checked),
        cmocka_unit_test(test_a_local_one_comes_and_goes),
        cmocka_unit_test(test_its_mode_is_as_asked_for),
        cmocka_unit_test(test_a_live_one_is_not_replaced),
        cmocka_unit_test(test_a_dead_one_is_replaced),
        cmocka_unit_test(test_another_kind_of_file_is_not_touched),
        cmocka_unit_test(test_only_its_own_file_is_removed),
        cmocka_unit_test(test_abstract_names),
        cmocka_unit_test(test_one_of_many_gets_it),
        cmocka_unit_test(test_an_inherited_one),
        cmocka_unit_test(test_whatever_fails_nothing_stays),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
