/*
 * The loads: Zipf's law with exponents from 0.7 to 1.1, the same with scans between, loops that are
 * larger than the cache, popularity that shifts, all with fixed seeds; and anybody's trace.
 */
#include "cache.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/random.h"

enum { KEYS = 100000, ASKED = 2000000, SIZE = 1000, SHIFT = 100000 };

static void *must(void *p)
{
    if (p == NULL) {
        fprintf(stderr, "cache: out of memory\n");
        exit(1);
    }
    return p;
}

/* --- Zipf's law ------------------------------------------------------------------------------- */

/* The share of all questions that ask for one of the first i + 1 keys. */
static double *shares_of(double exponent)
{
    double *shares = must(malloc(KEYS * sizeof *shares)), sum = 0;
    for (int i = 0; i < KEYS; i++) {
        sum += pow(i + 1, -exponent);
        shares[i] = sum;
    }
    for (int i = 0; i < KEYS; i++)
        shares[i] /= sum;
    return shares;
}

static uint32_t rank_of(const double *shares, struct weir__random *r)
{
    double at = (double)(weir__random_next(r) >> 11) * 0x1p-53;
    uint32_t low = 0, high = KEYS - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (shares[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void begin(struct load *l, size_t count, uint32_t keys, uint32_t size)
{
    l->asked = must(malloc(count * sizeof l->asked[0]));
    l->count = count;
    l->keys = keys;
    l->size = size;
}

/* `shift`: after so many questions the ranks belong to the keys behind; 0: never. */
static void make_zipf(struct load *l, double exponent, size_t shift, uint32_t size)
{
    struct weir__random r = {(uint64_t)(exponent * 100)};
    double *shares = shares_of(exponent);
    begin(l, ASKED, KEYS, size);
    for (size_t i = 0; i < ASKED; i++) {
        uint32_t offset = shift != 0 ? (uint32_t)(i / shift) * (KEYS / 50) : 0;
        l->asked[i] = (rank_of(shares, &r) + offset) % KEYS;
    }
    free(shares);
}

/* Each `SHIFT` questions a scan of ten times the cache's size, of keys that nobody else wants. */
static void make_scan(struct load *l, double exponent)
{
    struct weir__random r = {7};
    double *shares = shares_of(exponent);
    uint32_t fresh = KEYS;
    size_t scan = (size_t)10 * SIZE, at = 0;
    begin(l, ASKED + (size_t)(ASKED / SHIFT) * scan, KEYS + ASKED / SHIFT * (uint32_t)scan, SIZE);
    for (size_t i = 0; i < ASKED; i++) {
        l->asked[at++] = rank_of(shares, &r);
        for (size_t k = 0; (i + 1) % SHIFT == 0 && k < scan; k++)
            l->asked[at++] = fresh++;
    }
    free(shares);
}

/*
 * Hot keys that fill four fifths of the cache; ten times a scan at one stroke, of ten times as many
 * keys as it holds, and the hot keys after it. What scans cost is what is missing of 25.88 percent.
 */
static void make_hot(struct load *l)
{
    enum { HOT = SIZE / 5 * 4, SCAN = 10 * SIZE, WARM = 20 * HOT, AFTER = 2 * SIZE, SCANS = 10 };
    struct weir__random r = {11};
    uint32_t fresh = HOT;
    size_t at = 0;
    begin(l, WARM + (size_t)SCANS * (SCAN + AFTER), HOT + SCANS * SCAN, SIZE);
    for (uint32_t i = 0; i < WARM; i++)
        l->asked[at++] = i % HOT;
    for (int scan = 0; scan < SCANS; scan++) {
        for (int i = 0; i < SCAN; i++)
            l->asked[at++] = fresh++;
        for (int i = 0; i < AFTER; i++)
            l->asked[at++] = (uint32_t)weir__random_upto(&r, HOT - 1);
    }
}

static void make_loop(struct load *l, uint32_t keys)
{
    begin(l, ASKED / 4, keys, SIZE);
    for (size_t i = 0; i < l->count; i++)
        l->asked[i] = (uint32_t)(i % keys);
}

int load_make(struct load *l, unsigned number)
{
    static const double exponents[] = {0.7, 0.8, 0.9, 1.0, 1.1};
    enum { EXPONENTS = sizeof exponents / sizeof exponents[0] };
    *l = (struct load){.asked = NULL};
    if (number < 2 * EXPONENTS) {
        double exponent = exponents[number % EXPONENTS];
        uint32_t size = number < EXPONENTS ? SIZE : 10 * SIZE;
        make_zipf(l, exponent, 0, size);
        snprintf(l->name, sizeof l->name, "Zipf %.1f", exponent);
        return true;
    }
    switch (number - 2 * EXPONENTS) {
    case 0:
        make_scan(l, 0.9);
        snprintf(l->name, sizeof l->name, "Zipf 0.9 and scans");
        return true;
    case 1:
        make_hot(l);
        snprintf(l->name, sizeof l->name, "hot set and ten scans");
        return true;
    case 2:
        make_loop(l, SIZE + SIZE / 5);
        snprintf(l->name, sizeof l->name, "loop of 1.2 times the size");
        return true;
    case 3:
        make_loop(l, 2 * SIZE);
        snprintf(l->name, sizeof l->name, "loop of twice the size");
        return true;
    case 4:
        make_zipf(l, 0.9, SHIFT, SIZE);
        snprintf(l->name, sizeof l->name, "Zipf 0.9, shifting");
        return true;
    default:
        return false;
    }
}

/* --- a trace ---------------------------------------------------------------------------------- */

/* The numbers of keys by their hashes: open addressing, doubled when half full. */
struct numbers {
    uint64_t *hashes;
    uint32_t *numbers;
    size_t room;
    uint32_t count;
};

static size_t place_of(const struct numbers *n, uint64_t hash)
{
    size_t at = hash & (n->room - 1);
    while (n->hashes[at] != 0 && n->hashes[at] != hash)
        at = (at + 1) & (n->room - 1);
    return at;
}

static void grow(struct numbers *n)
{
    struct numbers old = *n;
    n->room = old.room != 0 ? old.room * 2 : 1 << 16;
    n->hashes = must(calloc(n->room, sizeof n->hashes[0]));
    n->numbers = must(calloc(n->room, sizeof n->numbers[0]));
    for (size_t i = 0; i < old.room; i++) {
        size_t at = old.hashes[i] != 0 ? place_of(n, old.hashes[i]) : 0;
        if (old.hashes[i] == 0)
            continue;
        n->hashes[at] = old.hashes[i];
        n->numbers[at] = old.numbers[i];
    }
    free(old.hashes);
    free(old.numbers);
}

static uint32_t number_of(struct numbers *n, weir_str key)
{
    if (2 * (size_t)n->count >= n->room)
        grow(n);
    uint64_t hash = weir__str_hash(key) | 1;
    size_t at = place_of(n, hash);
    if (n->hashes[at] == 0) {
        n->hashes[at] = hash;
        n->numbers[at] = n->count++;
    }
    return n->numbers[at];
}

void load_read(struct load *l, const char *path)
{
    struct numbers n = {0};
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t room = 0, most = 0;
    *l = (struct load){.name = "trace"};
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    while (getline(&line, &room, f) >= 0) {
        size_t len = strcspn(line, " \t,;\r\n");
        if (len == 0)
            continue;
        if (l->count == most) {
            most = most != 0 ? most * 2 : 1 << 16;
            l->asked = must(realloc(l->asked, most * sizeof l->asked[0]));
        }
        l->asked[l->count++] = number_of(&n, (weir_str){line, len});
    }
    l->keys = n.count;
    free(n.hashes);
    free(n.numbers);
    free(line);
    (void)fclose(f);
}

void load_free(struct load *l)
{
    free(l->asked);
    l->asked = NULL;
}
