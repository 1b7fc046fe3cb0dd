/* Quotas of control groups, from texts and from a tree of folders made for the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <fcntl.h>

#include "os/cgroup.h"

static char root[] = "/tmp/weir-cgroup-XXXXXX";

static void put(const char *folder, const char *name, const char *text)
{
    char path[300], all[256];
    snprintf(all, sizeof all, "%s%s", root, folder);
    for (char *p = all + sizeof root; *p != '\0'; p++) {
        if (*p == '/') {
            *p = '\0';
            (void)mkdir(all, 0700);
            *p = '/';
        }
    }
    (void)mkdir(all, 0700);
    snprintf(path, sizeof path, "%s/%s", all, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void texts(void **state)
{
    (void)state;
    assert_true(weir__cgroup_v2_quota(WEIR_S("max 100000\n")) == WEIR__NO_QUOTA);
    assert_int_equal(weir__cgroup_v2_quota(WEIR_S("150000 100000\n")), 1500);
    assert_int_equal(weir__cgroup_v2_quota(WEIR_S("5000 100000")), 50);
    assert_true(weir__cgroup_v2_quota(WEIR_S("")) == WEIR__NO_QUOTA);
    assert_true(weir__cgroup_v2_quota(WEIR_S("150000")) == WEIR__NO_QUOTA);
    assert_true(weir__cgroup_v2_quota(WEIR_S("150000 0")) == WEIR__NO_QUOTA);
    assert_true(weir__cgroup_v2_quota((weir_str){NULL, 0}) == WEIR__NO_QUOTA);
    assert_true(weir__cgroup_v1_quota(WEIR_S("-1\n"), WEIR_S("100000\n")) == WEIR__NO_QUOTA);
    assert_int_equal(weir__cgroup_v1_quota(WEIR_S("200000\n"), WEIR_S("100000\n")), 2000);
}

static void counts_are_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(weir__cpu_count(WEIR__NO_QUOTA, 8), 8);
    assert_int_equal(weir__cpu_count(1500, 8), 2);
    assert_int_equal(weir__cpu_count(2000, 8), 2);
    assert_int_equal(weir__cpu_count(50, 8), 1);
    assert_int_equal(weir__cpu_count(64000, 8), 8);
    assert_int_equal(weir__cpu_count(0, 0), 1);
}

static void every_level_counts(void **state)
{
    (void)state;
    put("/pods/one/app", "cpu.max", "max 100000\n");
    put("/pods/one", "cpu.max", "250000 100000\n");
    put("/pods", "cpu.max", "400000 100000\n");
    assert_int_equal(weir__cgroup_quota(root, WEIR_S("0::/pods/one/app\n")), 2500);
    assert_int_equal(weir__cgroup_quota(root, WEIR_S("0::/pods\n")), 4000);
    /* The host's path in a container: its lower levels are not there. */
    assert_int_equal(weir__cgroup_quota(root, WEIR_S("0::/pods/gone/deep\n")), 4000);
    assert_true(weir__cgroup_quota(root, WEIR_S("0::/elsewhere\n")) == WEIR__NO_QUOTA);
    put("", "cpu.max", "700000 100000\n");
    assert_int_equal(weir__cgroup_quota(root, WEIR_S("0::/elsewhere\n")), 7000);
    assert_int_equal(weir__cgroup_quota(root, WEIR_S("0::/")), 7000);
}

static void version_one(void **state)
{
    (void)state;
    put("/cpu,cpuacct/job", "cpu.cfs_quota_us", "300000\n");
    put("/cpu,cpuacct/job", "cpu.cfs_period_us", "100000\n");
    assert_int_equal(weir__cgroup_quota(root, WEIR_S("3:memory:/job\n4:cpu,cpuacct:/job/x\n")),
                     3000);
    assert_true(weir__cgroup_quota(root, WEIR_S("3:memory:/job\n")) == WEIR__NO_QUOTA);
    assert_true(weir__cgroup_quota(root, WEIR_S("nonsense\n::\n1:cpu\n")) == WEIR__NO_QUOTA);
}

static void here(void **state)
{
    (void)state;
    assert_in_range(weir__cpu_quota(), 1, 4096);
}

/* The lowest free descriptor is the same afterwards. */
static void keeps_no_descriptor(void **state)
{
    (void)state;
    int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(before >= 0);
    close(before);
    (void)weir__cpu_quota();
    int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(after);
    assert_int_equal(after, before);
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int remove_root(void **state)
{
    static const char *const left[] = {"/pods/one/app/cpu.max",
                                       "/pods/one/app",
                                       "/pods/one/cpu.max",
                                       "/pods/one",
                                       "/pods/cpu.max",
                                       "/pods",
                                       "/cpu,cpuacct/job/cpu.cfs_quota_us",
                                       "/cpu,cpuacct/job/cpu.cfs_period_us",
                                       "/cpu,cpuacct/job",
                                       "/cpu,cpuacct",
                                       "/cpu.max",
                                       ""};
    (void)state;
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s%s", root, left[i]);
        (void)remove(path);
    }
    return access(root, F_OK) != 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),       cmocka_unit_test(counts_are_rounded_up),
        cmocka_unit_test(version_one), cmocka_unit_test(every_level_counts),
        cmocka_unit_test(here),        cmocka_unit_test(keeps_no_descriptor),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
