/*
 * The processors that this process may use: the least of what its control groups, every level of
 * them, and its affinity mask allow. nproc knows the mask alone, and a service that starts 64
 * workers on a quota of two is throttled for most of each period.
 *
 * Version 2 has cpu.max in each group; version 1 has cpu.cfs_quota_us below the controller's own
 * tree. In a container without a name space of its own for groups the path is the host's and its
 * lower levels are not there: missing files are no quota, and the levels above are looked at in any
 * case. Limits: paths of 1 KiB; longer ones count as missing.
 */
#include "os/cgroup.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>

#include "os/sys.h"

#define PATH_MAX_BYTES 1024

/* The first word of `*s`, which goes on behind it. */
static weir_str next_word(weir_str *s)
{
    *s = weir_str_trim(*s);
    size_t n = 0;
    while (n < s->len && s->ptr[n] != ' ' && s->ptr[n] != '\n')
        n++;
    weir_str word = {s->ptr, n};
    s->ptr += n;
    s->len -= n;
    return word;
}

static uint64_t share_of(weir_str quota, weir_str period)
{
    int64_t q, p;
    if (weir_str_i64(quota, &q) != WEIR_OK || weir_str_i64(period, &p) != WEIR_OK)
        return WEIR__NO_QUOTA;
    if (q <= 0 || p <= 0 || q > INT64_MAX / 1000)
        return WEIR__NO_QUOTA;
    return (uint64_t)q * 1000 / (uint64_t)p;
}

uint64_t weir__cgroup_v2_quota(weir_str cpu_max)
{
    weir_str quota = next_word(&cpu_max);
    return share_of(quota, next_word(&cpu_max));
}

uint64_t weir__cgroup_v1_quota(weir_str quota_us, weir_str period_us)
{
    return share_of(next_word(&quota_us), next_word(&period_us));
}

/* The content of a small file; absent when there is none. */
static weir_str read_small(const char *path, char *bytes, size_t size)
{
    weir_str none = {NULL, 0};
    int fd = weir__sys_open(path, O_RDONLY, 0);
    if (fd < 0)
        return none;
    ssize_t n = weir__sys_read(fd, bytes, size);
    weir__sys_close(fd);
    weir_str s = {bytes, n > 0 ? (size_t)n : 0};
    return n > 0 ? s : none;
}

static weir_str read_in(const char *folder, const char *name, char *bytes, size_t size)
{
    char path[PATH_MAX_BYTES + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return read_small(path, bytes, size);
}

static uint64_t folder_quota(const char *folder)
{
    char a[128], b[128];
    uint64_t v2 = weir__cgroup_v2_quota(read_in(folder, "cpu.max", a, sizeof a));
    uint64_t v1 = weir__cgroup_v1_quota(read_in(folder, "cpu.cfs_quota_us", a, sizeof a),
                                        read_in(folder, "cpu.cfs_period_us", b, sizeof b));
    return v1 < v2 ? v1 : v2;
}

/* The least quota of `path` and all above it, below `tree`. */
static uint64_t path_quota(const char *tree, weir_str path)
{
    char folder[PATH_MAX_BYTES];
    uint64_t least = WEIR__NO_QUOTA;
    for (;;) {
        int n = snprintf(folder, sizeof folder, "%s" WEIR_STR_FMT, tree, WEIR_STR_ARG(path));
        if (n > 0 && (size_t)n < sizeof folder) {
            uint64_t quota = folder_quota(folder);
            least = quota < least ? quota : least;
        }
        if (path.len == 0)
            return least;
        while (path.len > 0 && path.ptr[path.len - 1] != '/')
            path.len--;
        path.len -= path.len > 0;
    }
}

static bool has_item(weir_str list, weir_str item)
{
    for (;;) {
        const char *comma = list.len > 0 ? memchr(list.ptr, ',', list.len) : NULL;
        weir_str first = {list.ptr, comma != NULL ? (size_t)(comma - list.ptr) : list.len};
        if (weir_str_eq(first, item))
            return true;
        if (comma == NULL)
            return false;
        list.len -= first.len + 1;
        list.ptr = comma + 1;
    }
}

/* One line, "id:controllers:path"; "0::path" is version 2. */
static uint64_t line_quota(const char *root, weir_str line)
{
    const char *first = line.len > 0 ? memchr(line.ptr, ':', line.len) : NULL;
    size_t rest = first != NULL ? line.len - (size_t)(first + 1 - line.ptr) : 0;
    const char *second = rest > 0 ? memchr(first + 1, ':', rest) : NULL;
    if (second == NULL)
        return WEIR__NO_QUOTA;
    weir_str controllers = {first + 1, (size_t)(second - first - 1)};
    weir_str path = {second + 1, line.len - (size_t)(second + 1 - line.ptr)};
    char tree[256];
    if (controllers.len == 0) {
        uint64_t a = path_quota(root, path);
        snprintf(tree, sizeof tree, "%s/unified", root);
        uint64_t b = path_quota(tree, path);
        return a < b ? a : b;
    }
    if (!has_item(controllers, WEIR_S("cpu")))
        return WEIR__NO_QUOTA;
    snprintf(tree, sizeof tree, "%s/" WEIR_STR_FMT, root, WEIR_STR_ARG(controllers));
    uint64_t a = path_quota(tree, path);
    snprintf(tree, sizeof tree, "%s/cpu", root);
    uint64_t b = path_quota(tree, path);
    return a < b ? a : b;
}

uint64_t weir__cgroup_quota(const char *root, weir_str proc_cgroup)
{
    uint64_t least = WEIR__NO_QUOTA;
    while (proc_cgroup.len > 0) {
        const char *end = memchr(proc_cgroup.ptr, '\n', proc_cgroup.len);
        size_t n = end != NULL ? (size_t)(end - proc_cgroup.ptr) : proc_cgroup.len;
        weir_str line = {proc_cgroup.ptr, n};
        uint64_t quota = line_quota(root, line);
        least = quota < least ? quota : least;
        n += end != NULL;
        proc_cgroup.ptr += n;
        proc_cgroup.len -= n;
    }
    return least;
}

unsigned weir__cpu_count(uint64_t quota, unsigned allowed)
{
    uint64_t whole = quota == WEIR__NO_QUOTA ? allowed : quota / 1000 + (quota % 1000 != 0);
    if (whole > allowed)
        whole = allowed;
    return whole > 0 ? (unsigned)whole : 1;
}

unsigned weir__cpu_quota(void)
{
    char bytes[4096];
    cpu_set_t set;
    unsigned allowed = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        allowed = (unsigned)CPU_COUNT(&set);
    weir_str groups = read_small("/proc/self/cgroup", bytes, sizeof bytes);
    return weir__cpu_count(weir__cgroup_quota("/sys/fs/cgroup", groups), allowed);
}
