/*
 * The process as the kernel sees it, from /proc/self. Each number stands alone: where a file cannot
 * be read (no descriptors left, /proc not mounted) its numbers are 0, and the rest is still told.
 */
#include "obs/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/metric.h"
#include "os/sys.h"

enum { TEXT_MAX = 4096 };

/* The text of a small file, NUL-terminated; "" when it cannot be read. */
static void read_text(const char *path, char text[TEXT_MAX])
{
    text[0] = '\0';
    int fd = weir__sys_open(path, O_RDONLY, 0);
    if (fd < 0)
        return;
    ssize_t n = weir__sys_read(fd, text, TEXT_MAX - 1);
    text[n > 0 ? n : 0] = '\0';
    (void)weir__sys_close(fd);
}

/* The n-th number behind `at`, counted from 0, blanks between them. */
static uint64_t nth_number(const char *at, int n)
{
    for (; n > 0 && *at != '\0'; n--) {
        at += strspn(at, " ");
        at += strcspn(at, " ");
    }
    return strtoull(at, NULL, 10);
}

/* When the machine was started, in seconds since 1970. */
static double boot_time(void)
{
    char text[TEXT_MAX];
    read_text("/proc/stat", text);
    const char *line = strstr(text, "\nbtime ");
    if (line != NULL)
        return (double)strtoull(line + 7, NULL, 10);
    struct timespec wall, up;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &up);
    return (double)(wall.tv_sec - up.tv_sec);
}

static void read_stat(struct weir__process *out)
{
    char text[TEXT_MAX];
    read_text("/proc/self/stat", text);
    const char *at = strrchr(text, ')'); /* behind the program's name, which may hold anything */
    if (at == NULL)
        return;
    at += 1;
    uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
    out->cpu_ns = (nth_number(at, 11) + nth_number(at, 12)) * (1000000000 / hz);
    out->threads = nth_number(at, 17);
    out->virtual_bytes = nth_number(at, 20);
    out->resident_bytes = nth_number(at, 21) * (uint64_t)sysconf(_SC_PAGESIZE);
    out->started_at = boot_time() + (double)nth_number(at, 19) / (double)hz;
}

static uint64_t count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return 0;
    uint64_t n = 0;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        n += e->d_name[0] != '.';
    closedir(dir);
    return n > 0 ? n - 1 : 0; /* without the one that counts */
}

void weir__process_read(struct weir__process *out)
{
    *out = (struct weir__process){0};
    read_stat(out);
    out->fds_open = count_fds();
    struct rlimit limit;
    if (weir__sys_getrlimit(RLIMIT_NOFILE, &limit) == 0)
        out->fds_max = limit.rlim_cur;
}

/* --- numbers ---------------------------------------------------------------------------------- */

struct numbers {
    struct weir__process p;
    uint64_t heap, started_ns;
};

#define FAMILY(name, help, type, unit, member)                                                     \
    {                                                                                              \
        name, help, type, unit, WEIR__ROWS({NULL, offsetof(struct numbers, member)})               \
    }

static const struct weir__family families[] = {
    FAMILY("process_resident_memory_bytes", "Resident memory.", WEIR_METRIC_GAUGE,
           WEIR_METRIC_BYTES, p.resident_bytes),
    FAMILY("process_virtual_memory_bytes", "Address space.", WEIR_METRIC_GAUGE, WEIR_METRIC_BYTES,
           p.virtual_bytes),
    FAMILY("weir_heap_allocated_bytes", "Allocated on the heap and not freed.", WEIR_METRIC_GAUGE,
           WEIR_METRIC_BYTES, heap),
    FAMILY("process_cpu_seconds_total", "Processor time used.", WEIR_METRIC_COUNTER,
           WEIR_METRIC_SECONDS, p.cpu_ns),
    FAMILY("process_threads", "Threads.", WEIR_METRIC_GAUGE, WEIR_METRIC_PLAIN, p.threads),
    FAMILY("process_open_fds", "Descriptors open.", WEIR_METRIC_GAUGE, WEIR_METRIC_PLAIN,
           p.fds_open),
    FAMILY("process_max_fds", "Descriptors allowed.", WEIR_METRIC_GAUGE, WEIR_METRIC_PLAIN,
           p.fds_max),
    FAMILY("process_start_time_seconds", "When it started, since 1970.", WEIR_METRIC_GAUGE,
           WEIR_METRIC_SECONDS, started_ns),
};

static void put(struct weir__metric_sink *to, void *unused)
{
    (void)unused;
    struct numbers n;
    weir__process_read(&n.p);
    n.heap = weir__heap_allocated();
    n.started_ns = (uint64_t)(n.p.started_at * 1e9);
    weir__families_put_one(to, families, sizeof families / sizeof families[0], &n);
}

void weir__process_metrics(struct weir__metrics *to)
{
    weir__metrics_add(to, families, sizeof families / sizeof families[0], put, NULL);
}
