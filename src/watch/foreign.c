/*
 * The audit of descriptors. The kernel gives out the lowest free number, and the door to it
 * (os/sys.c) knows what came through, so nearly every number up to the highest is known, or closed:
 * the audit asks about the others alone, one cheap call each, and reads what an open one is from
 * /proc/self/fd. With a hundred thousand connections that costs no more than with ten.
 *
 * A number is no identity: what is met again counts as the same while it is the same thing by the
 * link's text (a path, or a socket's inode). A descriptor on its way, between the kernel's answer
 * and the door's note of it, or in a library's hands for a moment, is met once and not told.
 *
 * Owns nothing but the table. Limits: 1,024 foreign descriptors are kept apart, further ones are
 * counted; numbers below 1 Mi; ten lines in the log an audit.
 */
#include "watch/foreign.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metric.h"
#include "os/sys.h"
#include "rt/log.h"

#define ASKED_MAX_DEFAULT 65536u
#define LINES_MAX 10
#define SIZE_UNKNOWN 65536

/* Numbers are below it: the size of the process' table of descriptors. */
static int table_size(void)
{
    char text[1024];
    int fd = weir__sys_open("/proc/self/status", O_RDONLY, 0);
    if (fd < 0)
        return SIZE_UNKNOWN;
    ssize_t n = weir__sys_read(fd, text, sizeof text - 1);
    weir__sys_close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *line = strstr(text, "\nFDSize:");
    long size = line != NULL ? strtol(line + 8, NULL, 10) : 0;
    return size > 0 && size < WEIR__SYS_KNOWN_MAX ? (int)size : WEIR__SYS_KNOWN_MAX;
}

static bool read_what(int num, char what[WEIR__FOREIGN_WHAT_MAX])
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", num);
    ssize_t n = weir__sys_readlink(path, what, WEIR__FOREIGN_WHAT_MAX - 1);
    what[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* --- the table ---------------------------------------------------------------------------- */

/* The place of the first entry that is not below `num`. */
static uint32_t place_of(const struct weir__foreign *f, int num)
{
    uint32_t lo = 0, hi = f->count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (f->fds[mid].num < num)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The entry for a number, as it was or new; NULL: the table is full. */
static struct weir__foreign_fd *entry_for(struct weir__foreign *f, int num)
{
    uint32_t at = place_of(f, num);
    if (at < f->count && f->fds[at].num == num)
        return &f->fds[at];
    if (f->count == WEIR__FOREIGN_MAX)
        return NULL;
    memmove(&f->fds[at + 1], &f->fds[at], (f->count - at) * sizeof f->fds[0]);
    f->count++;
    f->fds[at] = (struct weir__foreign_fd){.num = num};
    return &f->fds[at];
}

/* Those from `from` to below `to` that this audit has not met are closed. */
static void remove_closed(struct weir__foreign *f, int from, int to)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        const struct weir__foreign_fd *e = &f->fds[i];
        if (e->num < from || e->num >= to || e->audit == f->audits)
            f->fds[kept++] = *e;
    }
    f->count = kept;
}

uint32_t weir__foreign_open(const struct weir__foreign *f)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->count; i++)
        n += f->fds[i].state == WEIR__FOREIGN_TOLD;
    return n;
}

/* --- an audit ----------------------------------------------------------------------------- */

static void tell(const struct weir__foreign_fd *e, weir_time now)
{
    struct weir__log_line l;
    char message[WEIR__FOREIGN_WHAT_MAX + 64];
    if (!weir__log_wants(WEIR_LOG_WARN))
        return;
    snprintf(message, sizeof message, "descriptor %d was opened behind the runtime's back: %s",
             e->num, e->what);
    weir__log_begin(&l, WEIR_LOG_WARN, weir_str_from(message), NULL, NULL);
    weir__log_str(&l, "kind", WEIR_S("descriptor"));
    weir__log_int(&l, "fd", e->num);
    weir__log_str(&l, "what", weir_str_from(e->what));
    weir__log_int(&l, "age_ms", weir_time_sub(now, e->since).ns / 1000000);
    weir__log_str(&l, "hint",
                  WEIR_S("open it through a context (weir_file_open, weir_dial), or hand it over "
                         "with weir_fd_adopt"));
    weir__log_end(&l);
}

/* An open descriptor that nobody knows. True when it is to be told now. */
static bool meet(struct weir__foreign *f, int num, weir_time now)
{
    char what[WEIR__FOREIGN_WHAT_MAX];
    if (!read_what(num, what))
        return false; /* closed meanwhile, or there is no /proc */
    struct weir__foreign_fd *e = entry_for(f, num);
    if (e == NULL) {
        f->overlooked++;
        return false;
    }
    bool is_new = e->audit == 0 || strcmp(e->what, what) != 0;
    e->audit = f->audits;
    if (is_new) {
        e->since = now;
        e->state = f->audits == 1 ? WEIR__FOREIGN_EARLY : WEIR__FOREIGN_SEEN;
        memcpy(e->what, what, sizeof what);
        return false;
    }
    if (e->state != WEIR__FOREIGN_SEEN)
        return false;
    e->state = WEIR__FOREIGN_TOLD;
    f->told++;
    return true;
}

/* Asks from `f->next` on; returns the number that it came to. */
static int ask(struct weir__foreign *f, weir_time now, int size)
{
    uint32_t left = f->asked_max != 0 ? f->asked_max : ASKED_MAX_DEFAULT;
    unsigned lines = 0;
    int num = f->next;
    if (f->audits == 1)
        left = UINT32_MAX; /* all that is there at the start */
    for (; num < size && left > 0; num++) {
        if (weir__sys_is_known(num))
            continue;
        left--;
        if (weir__sys_fd_flags(num) < 0 || !meet(f, num, now))
            continue;
        if (lines++ < LINES_MAX)
            tell(&f->fds[place_of(f, num)], now);
    }
    if (lines > LINES_MAX)
        weir_log(NULL, WEIR_LOG_WARN, "and %u more descriptors: see /debug/descriptors",
                 lines - LINES_MAX);
    return num;
}

void weir__foreign_audit(struct weir__foreign *f, weir_time now)
{
    int size = table_size(), from = f->next;
    f->audits++;
    int to = ask(f, now, size);
    remove_closed(f, from, to);
    f->next = to < size ? to : 0;
}

/* --- numbers ---------------------------------------------------------------------------------- */

enum { OPEN, TOLD, AUDITS };

static const struct weir__family families[] = {
    [OPEN] = {.name = "weir_descriptors_foreign",
              .help = "Descriptors open that were opened behind the runtime's back.",
              .type = WEIR_METRIC_GAUGE},
    [TOLD] = {.name = "weir_descriptors_foreign_total",
              .help = "The same, all that were reported.",
              .type = WEIR_METRIC_COUNTER},
    [AUDITS] = {.name = "weir_descriptor_audits_total",
                .help = "Times that they were looked for.",
                .type = WEIR_METRIC_COUNTER},
};

static void put(struct weir__metric_sink *to, void *foreign)
{
    const struct weir__foreign *f = foreign;
    weir__family_put(to, &families[OPEN], weir__foreign_open(f));
    weir__family_put(to, &families[TOLD], f->told);
    weir__family_put(to, &families[AUDITS], f->audits);
}

void weir__foreign_metrics(struct weir__foreign *f, struct weir__metrics *to)
{
    weir__metrics_add(to, families, sizeof families / sizeof families[0], put, f);
}
