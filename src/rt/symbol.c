/*
 * Names for return addresses, by elfutils' libdw: function names from the symbol tables, files and
 * lines from the debug information of the object itself or of a package of debug symbols on this
 * machine. Nothing is fetched from a network.
 *
 * Owns one view of the process, made at the first question and kept; an address in an object that
 * was loaded later makes it anew once. The first look into a program's debug information takes
 * milliseconds, later ones microseconds, so this is for reports only; a mutex lets one thread in at
 * a time. Where nothing is known the answer is "module+0x1234", and "0x1234" outside of all
 * modules.
 */
#include "rt/symbol.h"

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rt/sys.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static Dwfl *view;

/*
 * The files that libdw keeps open are on Weir's account. It closes them itself when the view ends:
 * what is known by then to be the same file is forgotten first.
 */
#define HELD_MAX 64
static struct held {
    int fd;
    char what[240];
} held[HELD_MAX];
static size_t held_count;

static void read_what(int fd, char what[240])
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t n = weir__sys_readlink(path, what, 239);
    what[n > 0 ? n : 0] = '\0';
}

static int hold(int fd)
{
    if (fd < 0 || held_count == HELD_MAX)
        return fd;
    held[held_count].fd = weir__sys_know(fd);
    read_what(fd, held[held_count++].what);
    return fd;
}

static void end_view(void)
{
    char what[240];
    while (held_count > 0) {
        const struct held *h = &held[--held_count];
        read_what(h->fd, what);
        if (strcmp(what, h->what) == 0)
            weir__sys_forget(h->fd);
    }
    if (view != NULL)
        dwfl_end(view);
    view = NULL;
}

static int find_elf(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
                    char **file_name, Elf **elf)
{
    return hold(dwfl_linux_proc_find_elf(module, userdata, name, base, file_name, elf));
}

static int find_debuginfo(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
                          const char *file_name, const char *link_name, GElf_Word crc,
                          char **debuginfo_name)
{
    return hold(dwfl_build_id_find_debuginfo(module, userdata, name, base, file_name, link_name,
                                             crc, debuginfo_name));
}

static char *debug_path; /* NULL: where distributions put debug symbols */
static const Dwfl_Callbacks callbacks = {
    .find_elf = find_elf,
    .find_debuginfo = find_debuginfo,
    .debuginfo_path = &debug_path,
};

/* Looks at the modules of the process; under the mutex. */
static void look(void)
{
    end_view();
    view = dwfl_begin(&callbacks);
    if (view == NULL)
        return;
    if (dwfl_linux_proc_report(view, getpid()) != 0 || dwfl_report_end(view, NULL, NULL) != 0)
        end_view();
}

void weir__symbols_forget(void)
{
    pthread_mutex_lock(&mutex);
    end_view();
    pthread_mutex_unlock(&mutex);
}

/* The module that `at` lies in: libdw answers the nearest one, however far. */
static Dwfl_Module *module_of(Dwarf_Addr at)
{
    Dwfl_Module *module = view != NULL ? dwfl_addrmodule(view, at) : NULL;
    Dwarf_Addr lo = 0, hi = 0;
    if (module != NULL)
        dwfl_module_info(module, NULL, &lo, &hi, NULL, NULL, NULL, NULL);
    return at >= lo && at < hi ? module : NULL;
}

static Dwfl_Module *find_module(Dwarf_Addr at)
{
    Dwfl_Module *module = module_of(at);
    if (module != NULL)
        return module;
    static uintptr_t missed;
    if (view != NULL && missed == at)
        return NULL; /* asked before: no need to look again */
    missed = at;
    look();
    return module_of(at);
}

/* A path as people know it: without what led from the build directory to the source. */
static const char *short_path(const char *path)
{
    for (;;) {
        if (strncmp(path, "../", 3) == 0)
            path += 3;
        else if (strncmp(path, "./", 2) == 0)
            path += 2;
        else
            return path;
    }
}

/* The line by a search through all units: clang writes no table of their addresses. */
static Dwarf_Line *search_line(Dwfl_Module *module, Dwarf_Addr at)
{
    Dwarf_Addr bias = 0;
    for (Dwarf_Die *unit = NULL; (unit = dwfl_module_nextcu(module, unit, &bias)) != NULL;)
        if (dwarf_haspc(unit, at - bias) == 1)
            return dwarf_getsrc_die(unit, at - bias);
    return NULL;
}

static void add_line(Dwfl_Module *module, Dwarf_Addr at, weir_buf *out)
{
    int number = 0;
    const char *file = NULL;
    Dwfl_Line *found = dwfl_module_getsrc(module, at);
    if (found != NULL) {
        file = dwfl_lineinfo(found, NULL, &number, NULL, NULL, NULL);
    } else {
        Dwarf_Line *line = search_line(module, at);
        if (line != NULL && dwarf_lineno(line, &number) == 0)
            file = dwarf_linesrc(line, NULL, NULL);
    }
    if (file != NULL)
        weir_buf_printf(out, " at %s:%d", short_path(file), number);
}

static void add_name(void *pc, weir_buf *out)
{
    /* A return address may be the first byte of the next function: the call is before it. */
    Dwarf_Addr at = (Dwarf_Addr)(uintptr_t)pc - 1;
    Dwfl_Module *module = find_module(at);
    if (module == NULL) {
        weir_buf_printf(out, "%p", pc);
        return;
    }
    const char *name = dwfl_module_addrname(module, at);
    if (name != NULL) {
        weir_buf_puts(out, weir_str_from(name));
        add_line(module, at, out);
        return;
    }
    Dwarf_Addr start = 0;
    const char *path = dwfl_module_info(module, NULL, &start, NULL, NULL, NULL, NULL, NULL);
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    const char *file = slash != NULL ? slash + 1 : path;
    weir_buf_printf(out, "%s+0x%lx", file != NULL ? file : "?",
                    (unsigned long)((uintptr_t)pc - start));
}

void weir__symbolise(void *pc, weir_buf *out)
{
    pthread_mutex_lock(&mutex);
    add_name(pc, out);
    pthread_mutex_unlock(&mutex);
}
