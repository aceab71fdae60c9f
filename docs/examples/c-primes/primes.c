/* Counts the primes up to a limit with a segmented sieve: a little memory, any limit up to 10^11.
   Prints a line whenever another tenth is done, so that there is something to watch. */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENT = 1 << 18 };
#define LARGEST 100000000000ULL

int main(int argc, char **argv) {
    char *end;
    errno = 0;
    uint64_t limit = argc == 2 ? strtoull(argv[1], &end, 10) : 0;
    if (argc != 2 || errno || *end || argv[1][0] == '-' || limit < 2 || limit > LARGEST) {
        fprintf(stderr, "give one whole number between 2 and %llu\n", LARGEST);
        return 2;
    }

    uint32_t root = (uint32_t)sqrt((double)limit) + 1, found = 0;
    unsigned char *small = calloc(root + 1, 1), *segment = malloc(SEGMENT);
    uint32_t *primes = malloc((root + 1) * sizeof *primes);
    uint64_t *next = malloc((root + 1) * sizeof *next);
    if (!small || !segment || !primes || !next) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    for (uint32_t n = 2; n <= root; n++) {
        if (small[n]) continue;
        primes[found] = n;
        next[found++] = (uint64_t)n * n;
        for (uint64_t m = (uint64_t)n * n; m <= root; m += n) small[m] = 1;
    }

    uint64_t count = 0, tenth = 1;
    for (uint64_t low = 0; low <= limit; low += SEGMENT) {
        uint64_t high = low + SEGMENT - 1 < limit ? low + SEGMENT - 1 : limit;
        memset(segment, 0, SEGMENT);
        for (uint32_t i = 0; i < found; i++) {
            uint64_t m = next[i];
            for (; m <= high; m += primes[i]) segment[m - low] = 1;
            next[i] = m;
        }
        for (uint64_t n = low < 2 ? 2 : low; n <= high; n++) count += !segment[n - low];
        while (tenth < 10 && high >= limit / 10 * tenth) {
            fprintf(stderr, "%2llu0 %%: %llu primes so far\n", (unsigned long long)tenth++, (unsigned long long)count);
        }
    }
    printf("%llu primes up to %llu\n", (unsigned long long)count, (unsigned long long)limit);
    return 0;
}
