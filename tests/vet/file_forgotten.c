/* A file that was opened behind the context's back, and an early return. */
#include <stdio.h>
#include <weir/weir.h>

weir_err show(weir_ctx *c, const char *path)
{
    char line[100];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return WEIR_ENOTFOUND;
    /* vet: gcc -Wanalyzer-file-leak; gcc -Wanalyzer-malloc-leak */
    if (fgets(line, sizeof line, file) == NULL)
        /* vet: cppcheck resourceLeak */
        return WEIR_EINVALID;
    (void)fclose(file);
    return weir_text(c, 200, weir_str_from(line));
}

static void close_file(void *file)
{
    (void)fclose(file);
}

weir_err show_well(weir_ctx *c, const char *path)
{
    char line[100];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return WEIR_ENOTFOUND;
    weir_err err = weir_defer(c, close_file, file);
    if (err < 0)
        return err;
    if (fgets(line, sizeof line, file) == NULL)
        return WEIR_EINVALID;
    return weir_text(c, 200, weir_str_from(line));
}
