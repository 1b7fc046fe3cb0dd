/*
 * Names for return addresses, by elfutils' libdw: function names from the symbol tables, files and
 * lines from the debug information of the object itself or of a package of debug symbols on this
 * machine. Nothing is fetched from a network.
 *
 * Owns one view of the process, made at the first question and kept; an address in an object that
 * was loaded later makes it anew once. To find a name takes milliseconds, so those that were found
 * are kept, in memory of fixed size; a mutex lets one thread in at a time. Where nothing is known
 * the answer is "module+0x1234", and "0x1234" outside of all modules.
 *
 * The one hard thing is memory: libdw ends the process when it finds none. So it is asked only
 * while there is some to spare, gives back what it took when that becomes scarce, and is left by a
 * jump if it comes to the end all the same; what it held then is lost, so that happens three times
 * at most.
 */
#include "os/symbol.h"

#include <dlfcn.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/sys.h"

#define RESERVE ((size_t)64 << 20) /* bytes that must be free before libdw is asked */
#define LOST_MAX 3                 /* views that ran out of memory, before no other is made */
#define NAMES 2048                 /* places for names that were found; a power of two */
#define NAMES_BYTES (192u << 10)   /* and all that they may take */
#define NAME_MAX_BYTES 512
#define PROGRAM "/proc/self/exe"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static Dwfl *view;
static unsigned views_lost;
static jmp_buf way_out; /* of libdw, when it finds no memory */

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
    (void)weir__sys_close_on_exec(fd); /* what libdw has found by itself */
    held[held_count].fd = weir__sys_know(fd);
    read_what(fd, held[held_count++].what);
    return fd;
}

/* Forgets the files; `is_lost`: nobody else will close them. */
static void forget_files(bool is_lost)
{
    char what[240];
    while (held_count > 0) {
        const struct held *h = &held[--held_count];
        read_what(h->fd, what);
        if (strcmp(what, h->what) != 0)
            continue;
        if (is_lost)
            weir__sys_close(h->fd);
        else
            weir__sys_forget(h->fd);
    }
}

static void end_view(void)
{
    forget_files(false);
    if (view != NULL)
        dwfl_end(view);
    view = NULL;
}

/*
 * libdw opens without close-on-exec, and a program that is started meanwhile would have the file;
 * so what it reads of the process is opened here. `*file_name` is libdw's to free.
 */
static int open_elf(const char *name, char **file_name)
{
    struct stat st;
    int fd = weir__sys_open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0)
        return -1;
    *file_name = weir__sys_fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? strdup(name) : NULL;
    if (*file_name != NULL)
        return fd;
    (void)weir__sys_close(fd);
    return -1;
}

/*
 * The program itself: its link leads to what runs also when that file has been replaced, as in an
 * upgrade whose old process still drains. Then the name ends in " (deleted)", and so does this one.
 */
static bool is_program(const char *name)
{
    char path[4096];
    ssize_t n = weir__sys_readlink(PROGRAM, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    return strcmp(name, path) == 0;
}

static int find_elf(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
                    char **file_name, Elf **elf)
{
    if (is_program(name))
        return hold(open_elf(PROGRAM, file_name));
    if (name[0] == '/')
        return hold(open_elf(name, file_name));
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

static int report_modules(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    if (maps == NULL)
        return -1;
    int err = dwfl_linux_proc_maps_report(view, maps);
    (void)fclose(maps);
    return err;
}

/* Looks at the modules of the process; under the mutex. */
static void look(void)
{
    end_view();
    view = dwfl_begin(&callbacks);
    if (view == NULL)
        return;
    if (report_modules() != 0 || dwfl_report_end(view, NULL, NULL) != 0)
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

static WEIR_NORETURN void leave_libdw(void)
{
    longjmp(way_out, 1);
}

/* Debug information is looked for, once a module; from then on a lack of memory leads out. */
static void open_debuginfo(Dwfl_Module *module)
{
    Dwarf_Addr bias;
    Dwarf *dwarf = dwfl_module_getdwarf(module, &bias);
    if (dwarf == NULL)
        return;
    (void)dwarf_new_oom_handler(dwarf, leave_libdw);
    Dwarf *shared = dwarf_getalt(dwarf);
    if (shared != NULL)
        (void)dwarf_new_oom_handler(shared, leave_libdw);
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
    open_debuginfo(module);
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

/* --- without libdw ------------------------------------------------------------------------ */

static void put_hex(weir_buf *out, uintptr_t value)
{
    char digits[2 + 2 * sizeof value];
    size_t at = sizeof digits;
    do
        digits[--at] = "0123456789abcdef"[value & 15];
    while ((value >>= 4) != 0);
    digits[--at] = 'x';
    digits[--at] = '0';
    weir_buf_add(out, digits + at, sizeof digits - at);
}

void weir__symbol_raw(void *pc, weir_buf *out)
{
    struct dl_find_object found;
    uintptr_t at = (uintptr_t)pc;
    if (at != 0 && _dl_find_object((char *)pc - 1, &found) == 0) {
        const char *path = found.dlfo_link_map->l_name;
        const char *slash = strrchr(path, '/');
        const char *name = path[0] == '\0' ? program_invocation_short_name : path;
        weir_buf_puts(out, weir_str_from(slash != NULL ? slash + 1 : name));
        weir_buf_puts(out, WEIR_S("+"));
        at -= found.dlfo_link_map->l_addr;
    }
    put_hex(out, at);
}

/* --- with it ------------------------------------------------------------------------------ */

static void add_name(void *pc, weir_buf *out)
{
    /* A return address may be the first byte of the next function: the call is before it. */
    Dwarf_Addr at = (Dwarf_Addr)(uintptr_t)pc - 1;
    Dwfl_Module *module = find_module(at);
    const char *name = module != NULL ? dwfl_module_addrname(module, at) : NULL;
    if (name == NULL) {
        weir__symbol_raw(pc, out);
        return;
    }
    weir_buf_puts(out, weir_str_from(name));
    add_line(module, at, out);
}

/* Counts what any limit counts: address space, and memory where it is not overcommitted. */
static bool has_reserve(void)
{
    void *p = weir__sys_mmap(RESERVE, PROT_READ | PROT_WRITE, 0);
    if (p != NULL)
        weir__sys_munmap(p, RESERVE);
    return p != NULL;
}

static bool may_ask(void)
{
    if (views_lost == LOST_MAX)
        return false;
    if (has_reserve())
        return true;
    end_view();
    return has_reserve();
}

/* False: there was no memory. */
static bool ask(void *pc, weir_buf *out)
{
    if (!may_ask())
        return false;
    if (setjmp(way_out) == 0) {
        add_name(pc, out);
        return true;
    }
    view = NULL;
    views_lost++;
    forget_files(true);
    return false;
}

/* --- names that were found ---------------------------------------------------------------- */

static struct {
    struct name {
        void *pc; /* NULL: the place is free */
        uint32_t at, len;
    } names[NAMES];
    char bytes[NAMES_BYTES];
    uint32_t count, len;
} kept;

/* Its place, or the free one that it would have. */
static struct name *place_of(void *pc)
{
    size_t i = (size_t)(((uintptr_t)pc * 0x9E3779B97F4A7C15u) >> 32) % NAMES;
    while (kept.names[i].pc != NULL && kept.names[i].pc != pc)
        i = (i + 1) % NAMES;
    return &kept.names[i];
}

static void keep(void *pc, weir_str name)
{
    if (kept.count > NAMES / 2 || kept.len + name.len > sizeof kept.bytes) {
        memset(kept.names, 0, sizeof kept.names); /* all anew: the usual ones are soon back */
        kept.count = kept.len = 0;
    }
    *place_of(pc) = (struct name){pc, kept.len, (uint32_t)name.len};
    memcpy(kept.bytes + kept.len, name.ptr, name.len);
    kept.len += (uint32_t)name.len;
    kept.count++;
}

/* Under the mutex, or alone. */
static void symbolise(void *pc, weir_buf *out)
{
    const struct name *known = place_of(pc);
    if (pc != NULL && known->pc == pc) {
        weir_buf_add(out, kept.bytes + known->at, known->len);
        return;
    }
    char bytes[NAME_MAX_BYTES];
    weir_buf name;
    weir_buf_init_fixed(&name, bytes, sizeof bytes);
    if (!ask(pc, &name)) {
        weir__symbol_raw(pc, out);
        return;
    }
    weir_buf_add(out, name.ptr, name.len);
    if (pc != NULL)
        keep(pc, weir_buf_str(&name));
}

void weir__symbolise(void *pc, weir_buf *out)
{
    pthread_mutex_lock(&mutex);
    symbolise(pc, out);
    pthread_mutex_unlock(&mutex);
}

void weir__symbolise_anew(void *pc, weir_buf *out)
{
    static bool is_anew;
    if (!is_anew) {
        is_anew = true;
        view = NULL;
        held_count = 0;
        memset(kept.names, 0, sizeof kept.names);
        kept.count = kept.len = 0;
    }
    symbolise(pc, out);
}

void weir__symbolise_stack(void (*name)(void *pc, weir_buf *out), void *const *pcs, size_t n,
                           bool is_interrupted, weir_buf *out)
{
    for (size_t i = 0; i < n && pcs[i] != NULL; i++) {
        if (i > 0)
            weir_buf_puts(out, WEIR_S(" < "));
        name((char *)pcs[i] + (i == 0 && is_interrupted), out);
    }
}
