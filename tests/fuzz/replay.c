/*
 * A fuzzer as an ordinary test: runs the inputs that are kept, and damaged copies of them, through
 * one LLVMFuzzerTestOneInput. It needs no fuzzing engine, so every compiler and sanitizer sees
 * them.
 *
 *     PROGRAM [--damaged N] FILE|DIRECTORY...
 *
 * N copies of each input (200 without the option) are damaged by dice with a fixed seed: the same
 * ones each time. When one fails, it is written to standard error as a C string.
 */
#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include "base/fuzz.h"

enum { INPUT_MAX = 1 << 16, INPUTS_MAX = 4096, DAMAGED_DEFAULT = 200 };

static struct input {
    char *name;
    uint8_t *bytes;
    size_t size;
} inputs[INPUTS_MAX];
static size_t input_count;

/* What runs now, for whoever wants to know why it ended. */
static const char *current_name;
static const uint8_t *current;
static size_t current_size;

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        _exit(1);
}

/* Writes the input that runs, and lets the signal end the process as it would have. */
static void tell_input(int signal_number)
{
    static const char hex[] = "0123456789abcdef";
    say("\nthe input is, from ");
    say(current_name != NULL ? current_name : "nowhere");
    say(":\n\"");
    for (size_t i = 0; i < current_size; i++) {
        char text[5] = {(char)current[i], '\0'};
        if (current[i] < 0x20 || current[i] > 0x7e || strchr("\"\\?", (char)current[i]) != NULL) {
            memcpy(text, "\\x", 2);
            text[2] = hex[current[i] >> 4];
            text[3] = hex[current[i] & 15];
            text[4] = '\0';
        }
        say(text);
    }
    say("\"\n");
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void run(const char *name, const uint8_t *bytes, size_t size)
{
    uint8_t *copy = (uint8_t *)fuzz_copy(bytes, size);
    current_name = name;
    current = copy;
    current_size = size;
    if (LLVMFuzzerTestOneInput(copy, size) != 0)
        abort();
    free(copy);
}

/* ---- reading ---- */

static void read_file(const char *path)
{
    static uint8_t bytes[INPUT_MAX];
    FILE *f = fopen(path, "rb");
    FUZZ_CHECK(f != NULL, "cannot read %s", path);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    FUZZ_CHECK(n < sizeof bytes && input_count < INPUTS_MAX, "%s is too large or too many", path);
    inputs[input_count++] = (struct input){strdup(path), (uint8_t *)fuzz_copy(bytes, n), n};
}

/* A file, or all files of a directory; one that is not there has none. */
static void read_path(const char *path)
{
    DIR *dir = opendir(path);
    char name[4096];
    if (dir == NULL) {
        if (access(path, F_OK) == 0)
            read_file(path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        read_file(name);
    }
    closedir(dir);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct input *)a)->name, ((const struct input *)b)->name);
}

/* ---- damaging ---- */

/* A piece of any input, somewhere in the text, over what is there or in between. */
static size_t splice(struct fuzz_dice *dice, uint8_t *text, size_t size)
{
    const struct input *other = &inputs[fuzz_below(dice, input_count)];
    size_t from = fuzz_below(dice, other->size + 1), left = other->size - from;
    size_t n = fuzz_below(dice, 1 + (left < 40 ? left : 40)), at = fuzz_below(dice, size + 1);
    if (size + n > INPUT_MAX)
        return size;
    if (fuzz_below(dice, 2) == 0) {
        memcpy(text + at, other->bytes + from, n);
        return at + n > size ? at + n : size;
    }
    memmove(text + at + n, text + at, size - at);
    memcpy(text + at, other->bytes + from, n);
    return size + n;
}

static size_t damage_once(struct fuzz_dice *dice, uint8_t *text, size_t size)
{
    static const char likely[] = "\r\n\t :;,=\"\\/.%?&#*[]{}0129-+eE\x7f\x80\xff";
    size_t at = size > 0 ? fuzz_below(dice, size) : 0;
    if (size == 0)
        return splice(dice, text, size);
    switch (fuzz_below(dice, 7)) {
    case 0:
        text[at] = (uint8_t)fuzz_below(dice, 256);
        return size;
    case 1:
        text[at] ^= (uint8_t)(1u << fuzz_below(dice, 8));
        return size;
    case 2:
        text[at] = (uint8_t)likely[fuzz_below(dice, sizeof likely)];
        return size;
    case 3: /* less */ {
        size_t n = 1 + fuzz_below(dice, size - at < 8 ? size - at : 8);
        memmove(text + at, text + at + n, size - at - n);
        return size - n;
    }
    case 4: /* an end too early */
        return fuzz_below(dice, 4) == 0 ? at : size;
    default:
        return splice(dice, text, size);
    }
}

static void run_damaged(const struct input *input, size_t copies, struct fuzz_dice *dice)
{
    static uint8_t text[INPUT_MAX];
    for (size_t i = 0; i < copies; i++) {
        size_t size = input->size;
        memcpy(text, input->bytes, size);
        for (size_t n = 1 + fuzz_below(dice, 4); n > 0; n--)
            size = damage_once(dice, text, size);
        run(input->name, text, size);
    }
}

int main(int argc, char **argv)
{
    size_t copies = DAMAGED_DEFAULT;
    struct fuzz_dice dice = {20241124};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--damaged") == 0 && i + 1 < argc)
            copies = (size_t)atoi(argv[++i]);
        else
            read_path(argv[i]);
    }
    signal(SIGABRT, tell_input);
    qsort(inputs, input_count, sizeof inputs[0], by_name);
    FUZZ_CHECK(input_count > 0, "no input");
    run("nothing", (const uint8_t *)"", 0);
    for (size_t i = 0; i < input_count; i++)
        run(inputs[i].name, inputs[i].bytes, inputs[i].size);
    for (size_t i = 0; i < input_count; i++)
        run_damaged(&inputs[i], copies, &dice);
    printf("%zu inputs, %zu damaged copies\n", input_count, input_count * copies);
    for (size_t i = 0; i < input_count; i++) {
        free(inputs[i].name);
        free(inputs[i].bytes);
    }
    return 0;
}
