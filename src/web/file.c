/*
 * Files as responses: conditional requests, single ranges, and folders that a client's path cannot
 * leave.
 *
 * The hard thing is the folder. A path is refused when it has ".." or a NUL in it, however it was
 * encoded; what is left is opened by the kernel below the folder, which also knows symbolic links
 * and their races (openat2). A kernel without that gets every component opened by itself, without
 * following any link.
 *
 * A worker must not wait for a disk: before a piece is sent its pages are asked for, and when they
 * are not in memory a thread of the offload pool reads them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <weir/offload.h>

#include "os/sys.h"
#include "rt/offload.h"
#include "rt/owned.h"
#include "rt/sized.h"
#include "web/web.h"
#include "wire/date.h"
#include "wire/mime.h"
#include "wire/url.h"

enum { PIECE = 256 << 10, PATH_MAX_BYTES = 4096, VERSION_MAX = 64, TAG_MAX = 96 };

struct file {
    struct weir__owned owned;
    int fd;
    struct stat st;
    char tag[TAG_MAX];
    char modified[WEIR_DATE_LEN];
};

static weir_str tag_of(const struct file *f)
{
    return weir_str_from(f->tag);
}

static weir_str modified_of(const struct file *f)
{
    return (weir_str){f->modified, WEIR_DATE_LEN};
}

/* --- opening ------------------------------------------------------------------------------ */

static void release(struct weir__owned *o)
{
    struct file *f = WEIR_CONTAINER(o, struct file, owned);
    if (f->fd >= 0)
        weir__sys_close(f->fd);
    f->fd = -1;
}

static const struct weir__owned_type file_type = {.name = "file", .release = release};

/* True when a path from a client names something below its folder and nothing else. */
static bool is_below(weir_str path)
{
    if (path.len == 0 || path.len >= PATH_MAX_BYTES || path.ptr[0] == '/' ||
        memchr(path.ptr, '\0', path.len) != NULL)
        return false;
    for (size_t at = 0; at <= path.len;) {
        const char *slash = memchr(path.ptr + at, '/', path.len - at);
        size_t end = slash != NULL ? (size_t)(slash - path.ptr) : path.len;
        weir_str part = {path.ptr + at, end - at};
        if (weir_str_eq(part, WEIR_S("..")) || weir_str_eq(part, WEIR_S(".")))
            return false;
        at = end + 1;
    }
    return true;
}

/*
 * True when a name in a path begins with a dot: what editors, version control and shells keep for
 * themselves. ".well-known" is kept for everybody, at the top, where RFC 8615 has it.
 */
static bool has_dot_name(weir_str path)
{
    static const weir_str known = {".well-known/", 12};
    if (weir_str_starts(path, known))
        path = (weir_str){path.ptr + known.len, path.len - known.len};
    for (size_t at = 0; at < path.len; at++) {
        if (path.ptr[at] == '.' && (at == 0 || path.ptr[at - 1] == '/'))
            return true;
    }
    return false;
}

/* Component by component, without following links: for kernels without openat2. Consumes `root`. */
static int open_by_steps(int root, char *path)
{
    int at = root;
    for (char *part = path; at >= 0 && part != NULL;) {
        char *slash = strchr(part, '/');
        if (slash != NULL)
            *slash = '\0';
        int flags = O_NOFOLLOW | (slash != NULL ? O_DIRECTORY | O_PATH : O_NONBLOCK | O_NOCTTY);
        int next = *part == '\0' ? -ENOENT : weir__sys_openat(at, part, flags);
        weir__sys_close(at);
        at = next;
        part = slash != NULL ? slash + 1 : NULL;
    }
    return at;
}

static int open_below(const char *root, char *path)
{
    int folder = weir__sys_open(root, O_PATH | O_DIRECTORY, 0);
    if (folder < 0)
        return folder;
    int fd = weir__sys_open_beneath(folder, path);
    if (fd == -ENOSYS)
        return open_by_steps(folder, path);
    weir__sys_close(folder);
    return fd;
}

static int open_file(weir_str path, const weir_file_options *o)
{
    char text[PATH_MAX_BYTES];
    const char *root = o->root;
    while (root != NULL && path.len > 0 && path.ptr[0] == '/')
        path = (weir_str){path.ptr + 1, path.len - 1};
    if (root != NULL ? !is_below(path) || (!o->dot_files && has_dot_name(path))
                     : path.len == 0 || path.len >= sizeof text || memchr(path.ptr, '\0', path.len))
        return -ENOENT;
    memcpy(text, path.ptr, path.len);
    text[path.len] = '\0';
    return root != NULL ? open_below(root, text)
                        : weir__sys_open(text, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
}

/* For the client there is nothing: also where it may not look, or not get to. */
static bool is_not_there(int err)
{
    static const int errs[] = {ENOENT, ENOTDIR, EACCES, EPERM,       ELOOP,
                               EXDEV,  ENXIO,   ENODEV, ENAMETOOLONG};
    for (size_t i = 0; i < sizeof errs / sizeof errs[0]; i++) {
        if (err == -errs[i])
            return true;
    }
    return false;
}

/* What is not the client's doing is for the log, with a status that says no more than that. */
static weir_err refuse(weir_ctx *c, int err)
{
    if (is_not_there(err))
        return weir_fail(c, 404, "there is no such file");
    bool is_limit = err == -EMFILE || err == -ENFILE || err == -ENOMEM;
    return weir_raise(c, is_limit ? WEIR_ELIMIT : err, "a file could not be opened: %s",
                      strerror(-err));
}

bool weir__web_is_version(const char *version)
{
    size_t len = strlen(version);
    for (size_t i = 0; i < len; i++) {
        if (version[i] <= ' ' || version[i] > '~' || version[i] == '"')
            return false;
    }
    return len > 0 && len <= VERSION_MAX;
}

/*
 * The tag of this content, and of no other one (RFC 9110 section 8.8.3). Time and size alone do not
 * tell: archives, images of containers and `cp -p` set the time of what they unpack, so that two
 * builds often have files of one size and one time. The time of the last change (ctime) cannot be
 * set, and the inode tells files apart that were swapped. The price is that each host has a tag of
 * its own for its copy, and a client that meets another host gets the file again instead of a 304:
 * slower, never wrong. Who serves from several hosts gives a version, which is the same on all.
 */
static void write_tag(struct file *f, const char *version)
{
    const struct timespec *m = &f->st.st_mtim, *c = &f->st.st_ctim;
    unsigned long long size = (unsigned long long)f->st.st_size;
    if (version != NULL)
        snprintf(f->tag, sizeof f->tag, "\"%s-%llx\"", version, size);
    else
        snprintf(f->tag, sizeof f->tag, "\"%llx-%llx-%llx-%llx\"",
                 (unsigned long long)m->tv_sec * 1000000000 + (unsigned long long)m->tv_nsec,
                 (unsigned long long)c->tv_sec * 1000000000 + (unsigned long long)c->tv_nsec,
                 (unsigned long long)f->st.st_ino, size);
}

static weir_err open_owned(weir_ctx *c, struct file *f, weir_str path, const weir_file_options *o)
{
    f->fd = -1;
    weir__own(weir__ctx_of(c), &f->owned, &file_type, NULL);
    f->fd = open_file(path, o);
    if (f->fd < 0)
        return refuse(c, f->fd);
    int err = weir__sys_fstat(f->fd, &f->st);
    if (err < 0 || !S_ISREG(f->st.st_mode))
        return refuse(c, err < 0 ? err : -ENOENT);
    write_tag(f, o->version);
    int64_t now = weir__exchange_date(weir__request_of(c)->x), changed = f->st.st_mtim.tv_sec;
    weir__date_format(f->modified, changed < now ? changed : now); /* never later than Date */
    return WEIR_OK;
}

/* --- conditions --------------------------------------------------------------------------- */

/* True when one of the tags is the file's; a list may be spread over several lines. */
static bool has_tag(const struct weir__exchange *x, const struct file *f,
                    enum weir__http_field_id id, bool is_strong)
{
    unsigned i = weir__exchange_find(x, id, 0);
    while (i < weir__exchange_fields(x) &&
           !weir__etag_list_has(weir__exchange_field_value(x, i), tag_of(f), is_strong))
        i = weir__exchange_find(x, id, i + 1);
    return i < weir__exchange_fields(x);
}

/* The value of a field that is no list: absent when it is there twice, as if it made no sense. */
static weir_str single_field(const struct weir__exchange *x, enum weir__http_field_id id)
{
    return weir__exchange_is_repeated(x, id) ? (weir_str){NULL, 0} : weir__exchange_field(x, id);
}

/* True when the file has changed after the date of a field; what is no date says nothing. */
static bool is_newer(const struct weir__exchange *x, const struct file *f,
                     enum weir__http_field_id id, bool otherwise)
{
    int64_t seconds;
    weir_str date = single_field(x, id);
    if (date.ptr == NULL || weir__date_parse(date, f->st.st_mtim.tv_sec, &seconds) != 0)
        return otherwise;
    return f->st.st_mtim.tv_sec > seconds;
}

/*
 * The status that the conditions ask for: 412, 304, or 200 when they hold. In the order of RFC 9110
 * section 13.2.2. In answers to other methods the file is not what their conditions are about.
 */
static int status_of_conditions(const struct weir__exchange *x, const struct file *f)
{
    unsigned method = weir__exchange_method_id(x);
    if (method != WEIR_HTTP_GET && method != WEIR_HTTP_HEAD)
        return 200;
    if (weir__exchange_has(x, WEIR_FIELD_IF_MATCH)
            ? !has_tag(x, f, WEIR_FIELD_IF_MATCH, true)
            : is_newer(x, f, WEIR_FIELD_IF_UNMODIFIED_SINCE, false))
        return 412;
    bool is_unchanged = weir__exchange_has(x, WEIR_FIELD_IF_NONE_MATCH)
                            ? has_tag(x, f, WEIR_FIELD_IF_NONE_MATCH, false)
                            : !is_newer(x, f, WEIR_FIELD_IF_MODIFIED_SINCE, true);
    return is_unchanged ? 304 : 200;
}

/*
 * True when a date can stand for the tag: nothing has changed since the second that it says, and
 * that second is over (RFC 9110 section 8.8.2.2). A part of another content would be joined to what
 * the client has, so "probably" is not enough.
 */
static bool is_date_strong(const struct weir__exchange *x, const struct file *f)
{
    return f->st.st_ctim.tv_sec <= f->st.st_mtim.tv_sec &&
           f->st.st_mtim.tv_sec < weir__exchange_date(x);
}

/* True unless If-Range names another version, by a tag or a date. */
static bool is_version_right(const struct weir__exchange *x, const struct file *f)
{
    if (!weir__exchange_has(x, WEIR_FIELD_IF_RANGE))
        return true;
    weir_str version = single_field(x, WEIR_FIELD_IF_RANGE);
    return weir__etag_eq_strong(version, tag_of(f)) ||
           (weir_str_eq(version, modified_of(f)) && is_date_strong(x, f));
}

/* The part that is asked for; all of it when the range is none, several, or of another version. */
static enum weir__range_result range_of(const struct weir__exchange *x, const struct file *f,
                                        uint64_t *first, uint64_t *last)
{
    weir_str range = single_field(x, WEIR_FIELD_RANGE);
    if (range.ptr == NULL || weir__exchange_method_id(x) != WEIR_HTTP_GET ||
        !is_version_right(x, f))
        return WEIR_RANGE_NONE;
    return weir__range_parse(range, (uint64_t)f->st.st_size, first, last);
}

/* --- sending ------------------------------------------------------------------------------ */

/*
 * A name for "Save as": quotes and what is not printable ASCII become '_', the name itself goes
 * encoded beside.
 */
static weir_err set_download(weir_ctx *c, const char *name)
{
    size_t n = strlen(name);
    char *plain = weir_alloc(c, n + 1), *encoded = weir_alloc(c, 3 * n + 1);
    if (plain == NULL || encoded == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        plain[i] =
            name[i] < ' ' || name[i] > '~' || strchr("\"\\/", name[i]) != NULL ? '_' : name[i];
    size_t len = weir__url_encode((weir_str){name, n}, encoded);
    weir_str value = weir_sprintf(c, "attachment; filename=\"%s\"; filename*=UTF-8''%.*s", plain,
                                  (int)len, encoded);
    return value.ptr != NULL ? weir_set_header(c, "Content-Disposition", value) : -ENOMEM;
}

/* What a 304 says as well (RFC 9110 section 15.4.5). */
static weir_err set_validators(weir_ctx *c, const struct file *f, const weir_file_options *o)
{
    weir_err err = weir_set_header(c, "ETag", tag_of(f));
    if (err == WEIR_OK)
        err = weir_set_header(c, "Last-Modified", modified_of(f));
    if (err == WEIR_OK && o->cache_control != NULL)
        err = weir_set_header(c, "Cache-Control", weir_str_from(o->cache_control));
    return err;
}

/* What is said of content that is sent, and not of an error in its place. */
static weir_err set_headers(weir_ctx *c, const struct file *f, const weir_file_options *o)
{
    weir_err err = set_validators(c, f, o);
    if (err == WEIR_OK)
        err = weir_set_header(c, "Accept-Ranges", WEIR_S("bytes"));
    if (err == WEIR_OK)
        err = weir_set_header(c, "X-Content-Type-Options", WEIR_S("nosniff"));
    if (err == WEIR_OK && o->download != NULL)
        err = set_download(c, o->download);
    return err;
}

struct warming {
    int fd;
    uint64_t at, end;
};

/* On a thread of the offload pool: reads, so that the pages are in memory. */
static weir_err warm(void *arg)
{
    struct warming *w = arg;
    char bytes[16 << 10];
    while (w->at < w->end) {
        ssize_t n = weir__sys_pread(w->fd, bytes, sizeof bytes, (off_t)w->at);
        if (n <= 0)
            return n < 0 ? (weir_err)n : WEIR_OK;
        w->at += (uint64_t)n;
    }
    return WEIR_OK;
}

/*
 * Sees to it that sending these bytes does not wait for the disk. A full pool is no reason not to
 * send.
 */
static weir_err make_warm(weir_ctx *c, int fd, uint64_t at, uint64_t len)
{
    char byte;
    struct warming w = {fd, at, at + len};
    if (weir__sys_pread_nowait(fd, &byte, 1, (off_t)at) != -EAGAIN &&
        weir__sys_pread_nowait(fd, &byte, 1, (off_t)(at + len - 1)) != -EAGAIN)
        return WEIR_OK;
    weir_err err = weir_offload(c, warm, &w);
    return err == WEIR_ELIMIT ? WEIR_OK : err;
}

static weir_err send_part(weir_ctx *c, struct weir__exchange *x, int fd, uint64_t at, uint64_t len)
{
    weir_err err = WEIR_OK;
    while (err == WEIR_OK && len > 0 && weir__exchange_has_body(x)) {
        uint64_t piece = len < PIECE ? len : PIECE;
        err = make_warm(c, fd, at, piece);
        if (err == WEIR_OK)
            err = weir__exchange_sendfile(x, fd, at, piece);
        at += piece;
        len -= piece;
    }
    return err == WEIR_OK ? weir__exchange_end(x) : err;
}

static weir_err unsatisfiable(weir_ctx *c, const struct file *f)
{
    weir_str value = weir_sprintf(c, "bytes */%lld", (long long)f->st.st_size);
    weir_err err = value.ptr != NULL ? weir_set_header(c, "Content-Range", value) : -ENOMEM;
    return err < 0 ? err : weir_fail(c, 416, "the range lies outside of the file");
}

static weir_err say_part(weir_ctx *c, uint64_t first, uint64_t last, uint64_t size)
{
    weir_str value = weir_sprintf(c, "bytes %llu-%llu/%llu", (unsigned long long)first,
                                  (unsigned long long)last, (unsigned long long)size);
    return value.ptr != NULL ? weir_set_header(c, "Content-Range", value) : -ENOMEM;
}

static weir_err send_file(weir_ctx *c, const struct file *f, weir_str path,
                          const weir_file_options *o)
{
    struct weir__exchange *x = weir__request_of(c)->x;
    uint64_t first = 0, last = 0, size = (uint64_t)f->st.st_size;
    enum weir__range_result range = range_of(x, f, &first, &last);
    if (range == WEIR_RANGE_UNSATISFIABLE)
        return unsatisfiable(c, f);
    bool is_part = range == WEIR_RANGE_ONE;
    weir_str type = o->type != NULL ? weir_str_from(o->type) : weir__mime_by_name(path);
    weir_err err = set_headers(c, f, o);
    if (err == WEIR_OK && is_part)
        err = say_part(c, first, last, size);
    size = is_part ? last - first + 1 : size;
    if (err == WEIR_OK)
        err = weir__exchange_begin(x, is_part ? 206 : 200, type, (int64_t)size);
    return err < 0 ? err : send_part(c, x, f->fd, first, size);
}

static weir_err send_not_modified(weir_ctx *c, const struct file *f, const weir_file_options *o)
{
    weir_err err = set_validators(c, f, o);
    return err < 0 ? err
                   : weir__exchange_respond(weir__request_of(c)->x, 304, (weir_str){NULL, 0},
                                            WEIR_S(""));
}

weir_err weir_file_at(weir_ctx *c, weir_str path, const weir_file_options *o)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__exchange *x = weir__request_of(c)->x;
    weir_file_options room;
    o = weir__options(o, &room, sizeof room, "weir_file");
    if (o->version != NULL && !weir__web_is_version(o->version))
        weir__misuse("weir_file", "a .version has 1 to 64 printable characters but blanks and "
                                  "quotes");
    struct file *f = weir_alloc(c, sizeof *f);
    if (f == NULL)
        return weir__ctx_arena(weir__ctx_of(c))->is_over_budget ? WEIR_EBUDGET : -ENOMEM;
    weir_err err = open_owned(c, f, path, o);
    int status = err == WEIR_OK ? status_of_conditions(x, f) : 0;
    if (status == 304)
        err = send_not_modified(c, f, o);
    else if (status == 412)
        err = weir_fail(c, 412, "the file is not the one that was asked for");
    else if (status == 200)
        err = send_file(c, f, path, o);
    weir__disown(&f->owned);
    release(&f->owned);
    return err;
}

weir_err weir__web_static(weir_ctx *c)
{
    weir_str path = weir_param(c, "path");
    if (path.len == 0 || path.ptr[path.len - 1] == '/')
        path = weir_sprintf(c, WEIR_STR_FMT "index.html", WEIR_STR_ARG(path));
    const struct weir__route *r = weir__request_of(c)->route;
    return weir_file(c, path, .root = r->folder, .cache_control = r->files.cache_control,
                     .version = r->files.version, .dot_files = r->files.dot_files);
}
