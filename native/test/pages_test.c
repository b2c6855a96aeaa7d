/*
 * Tests host/pages.c. The linker replaces the functions by which it calls the kernel (--wrap, see run.sh), so that this
 * program counts the maps, and that calls fail on demand. It needs Linux.
 *
 *   pages_test
 */
#define _GNU_SOURCE

#include "pages.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#define THREADS 4
#define SIZES 9
#define SLAB_RUNS 64
#define MANY 200000
#define LARGEST_SMALL_RUN (1ULL << 20)
#define LARGE (2ULL << 20)

static uint64_t page_size;

/* ---- the kernel ---- */

/* The kernel counts the guard behind pages as a map. */
#define MAPS_WITH_GUARD 2

/* What the program reads as vm.max_map_count. MANY / SLAB_RUNS maps with guards are less than half of it. */
#define KERNEL_MAP_LIMIT 16001

static atomic_long live_maps;
static atomic_long live_map_bytes;

/* The bytes that madvise has returned to the kernel. */
static atomic_long returned_bytes;

/* Each makes that many of the next calls fail. */
static atomic_int failing_mmaps;
static atomic_int failing_munmaps;
static atomic_int failing_madvises;
static atomic_int failing_callocs;

static bool fails(atomic_int *failing) {
    int left = *failing;
    while (left > 0 && !atomic_compare_exchange_weak(failing, &left, left - 1)) {
    }
    return left > 0;
}

void *__real_mmap(void *start, size_t bytes, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *start, size_t bytes, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *start, size_t bytes, int protection, int flags, int file, off_t offset) {
    if (fails(&failing_mmaps)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    live_maps++;
    live_map_bytes += (long)bytes;
    return __real_mmap(start, bytes, protection, flags, file, offset);
}

int __real_munmap(void *start, size_t bytes);
int __wrap_munmap(void *start, size_t bytes);
int __wrap_munmap(void *start, size_t bytes) {
    if (fails(&failing_munmaps)) {
        errno = ENOMEM;
        return -1;
    }
    live_maps--;
    live_map_bytes -= (long)bytes;
    return __real_munmap(start, bytes);
}

int __real_madvise(void *start, size_t bytes, int advice);
int __wrap_madvise(void *start, size_t bytes, int advice);
int __wrap_madvise(void *start, size_t bytes, int advice) {
    if (fails(&failing_madvises)) {
        errno = EINVAL;
        return -1;
    }
    returned_bytes += advice == MADV_DONTNEED ? (long)bytes : 0;
    return __real_madvise(start, bytes, advice);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size) {
    return fails(&failing_callocs) ? NULL : __real_calloc(count, size);
}

int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
    (void)flags;
    CHECK(strcmp(path, "/proc/sys/vm/max_map_count") == 0);
    int ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(dprintf(ends[1], "%d\n", KERNEL_MAP_LIMIT) > 0);
    close(ends[1]);
    return ends[0];
}

/* ---- helpers ---- */

/* The runs of the test that is under way. */
static struct page_run many[MANY];

static bool is_filled(const void *bytes, uint64_t length, unsigned char value) {
    const unsigned char *at = bytes;
    return at[0] == value && memcmp(at, at + 1, length - 1) == 0;
}

static struct page_run new_run(uint64_t bytes) {
    struct page_run run = {0};
    CHECK(page_run_new(bytes, &run) == PAGES_OK);
    CHECK(run.bytes == bytes && (uintptr_t)run.start % page_size == 0);
    return run;
}

static void expect_none(uint64_t bytes, enum pages_status status) {
    char untouched_place;
    struct page_run run = {.start = &untouched_place};
    CHECK(page_run_new(bytes, &run) == status);
    CHECK(run.start == &untouched_place);
}

/* A check of the maps or the resident memory of the process. ThreadSanitizer has maps and memory of its own. */
#if defined(__SANITIZE_THREAD__)
#define CHECK_PROCESS(condition) ((void)(condition))
#else
#define CHECK_PROCESS(condition) CHECK(condition)
#endif

/* The lines of /proc/self/maps. */
static long kernel_maps(void) {
    long lines = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    CHECK(file != NULL);
    for (int c = getc(file); c != EOF; c = getc(file)) {
        lines += c == '\n' ? 1 : 0;
    }
    fclose(file);
    return lines;
}

static uint64_t resident_bytes(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%*u %lu", &pages) == 1);
    fclose(file);
    return pages * page_size;
}

/* Checks that all runs are free: what is left are empty slabs, one of each size at most. */
static void check_nothing_used(void) {
    CHECK(live_maps >= 0 && live_maps <= SIZES);
    CHECK(live_map_bytes >= 0 && live_map_bytes <= SIZES * ((4L << 20) + (long)page_size));
}

static sigjmp_buf behind_fault;

static void leave_fault(int signal_number) {
    (void)signal_number;
    siglongjmp(behind_fault, 1);
}

static bool is_accessible(const volatile char *byte) {
    struct sigaction on_fault = {.sa_handler = leave_fault}, before;
    CHECK(sigaction(SIGSEGV, &on_fault, &before) == 0);
    bool accessible = sigsetjmp(behind_fault, 1) == 0;
    if (accessible) {
        (void)*byte;
    }
    CHECK(sigaction(SIGSEGV, &before, NULL) == 0);
    return accessible;
}

/* ---- tests ---- */

static void test_guard(void) {
    struct page_run run = new_run(LARGE);
    char *end = (char *)run.start + run.bytes;
    CHECK(is_accessible(end - 1));
    CHECK(!is_accessible(end));
    page_run_free(run);
}

static void test_limit_of_the_kernel(void) {
    CHECK(kernel_map_limit() == KERNEL_MAP_LIMIT);
    CHECK(kernel_map_limit() == KERNEL_MAP_LIMIT);
}

static void check_size(uint64_t bytes, int count) {
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < count; i++) {
            many[i] = new_run(bytes);
            CHECK(is_filled(many[i].start, bytes, 0));
            memset(many[i].start, i + 1, bytes);
        }
        for (int i = 0; i < count; i++) {
            CHECK(is_filled(many[i].start, bytes, (unsigned char)(i + 1)));
            page_run_free(many[i]);
        }
        check_nothing_used();
    }
}

static void test_sizes(void) {
    for (uint64_t pages = 1; pages <= 8; pages++) {
        check_size(pages * page_size, 2 * SLAB_RUNS + 1);
    }
    check_size(LARGEST_SMALL_RUN - page_size, 9);
    check_size(LARGEST_SMALL_RUN, 9);
    check_size(LARGEST_SMALL_RUN + page_size, 9);
}

static void test_many(void) {
    long maps_before = kernel_maps();
    for (int i = 0; i < MANY; i++) {
        many[i] = new_run(page_size);
    }
    CHECK(live_maps <= MANY / SLAB_RUNS + SIZES);
    long live_maps_then = live_maps;
    for (int i = 0; i < MANY; i += 2) {
        page_run_free(many[i]);
    }
    CHECK(live_maps == live_maps_then);
    CHECK_PROCESS(kernel_maps() <= maps_before + MAPS_WITH_GUARD * (MANY / SLAB_RUNS + SIZES));
    for (int i = 0; i < MANY; i += 2) {
        many[i] = new_run(page_size);
    }
    CHECK(live_maps == live_maps_then);

    /* One run of each slab stays. */
    for (int i = 0; i < MANY; i++) {
        if (i % SLAB_RUNS != 0) {
            page_run_free(many[i]);
        }
    }
    CHECK_PROCESS(kernel_maps() <= maps_before + MAPS_WITH_GUARD * (MANY / SLAB_RUNS + SIZES));
    for (int i = 0; i < MANY; i += SLAB_RUNS) {
        page_run_free(many[i]);
    }
    check_nothing_used();
    CHECK_PROCESS(kernel_maps() <= maps_before + MAPS_WITH_GUARD * SIZES);
}

static void test_memory_returns(uint64_t bytes) {
    enum { COUNT = 64 << 20 };
    uint64_t count = COUNT / bytes;
    for (uint64_t i = 0; i < count; i++) {
        many[i] = new_run(bytes);
        memset(many[i].start, 1, bytes);
    }
    uint64_t resident = resident_bytes();
    /* The first run keeps its slab. */
    for (uint64_t i = 1; i < count; i++) {
        page_run_free(many[i]);
    }
    CHECK_PROCESS(resident - resident_bytes() >= COUNT / 10 * 9);
    page_run_free(many[0]);
}

static void test_one_by_turns(void) {
    for (uint64_t bytes = page_size; bytes <= LARGEST_SMALL_RUN; bytes *= 2) {
        page_run_free(new_run(bytes));
        failing_mmaps = 1;
        page_run_free(new_run(bytes));
        failing_mmaps = 0;
    }
}

/* Fills what is left of the slabs of a size, so that the next run needs a new slab. Returns the number of the runs. */
static int fill_slabs(uint64_t bytes, struct page_run *runs) {
    int count = 0;
    failing_mmaps = 1;
    while (page_run_new(bytes, &runs[count]) == PAGES_OK) {
        count++;
    }
    CHECK(failing_mmaps == 0);
    return count;
}

static void test_kernel_refuses_maps(void) {
    failing_mmaps = 1;
    expect_none(LARGE, PAGES_NO_MEMORY);
    for (uint64_t bytes = page_size; bytes <= LARGEST_SMALL_RUN; bytes *= 2) {
        int count = fill_slabs(bytes, many);
        long live = live_maps;
        failing_mmaps = 1;
        expect_none(bytes, PAGES_NO_MEMORY);
        failing_callocs = 1;
        expect_none(bytes, PAGES_NO_MEMORY);
        CHECK(live_maps == live);
        page_run_free(new_run(bytes));
        for (int i = 0; i < count; i++) {
            page_run_free(many[i]);
        }
    }
    check_nothing_used();
}

static void test_kernel_refuses_to_unmap(void) {
    uint64_t resident = resident_bytes();
    struct page_run runs[3];
    for (int i = 0; i < 3; i++) {
        runs[i] = new_run(16 * LARGE);
        memset(runs[i].start, 1, runs[i].bytes);
    }
    returned_bytes = 0;
    failing_munmaps = 2;
    page_run_free(runs[0]);
    page_run_free(runs[1]);
    CHECK(failing_munmaps == 0 && live_map_bytes >= (long)(48 * LARGE));
    CHECK(returned_bytes == (long)(32 * LARGE));
    /* Only the third is still resident. */
    CHECK_PROCESS(resident_bytes() <= resident + 17 * LARGE);
    page_run_free(runs[2]);
    check_nothing_used();

    failing_munmaps = 1;
    page_run_free(new_run(LARGE));
    struct page_run next = new_run(LARGE);
    failing_munmaps = 0;
    page_run_free(next);
    check_nothing_used();
}

static void test_kernel_keeps_memory(void) {
    struct page_run first = new_run(page_size);
    struct page_run second = new_run(page_size);
    memset(second.start, 1, page_size);
    failing_madvises = 1;
    page_run_free(second);
    CHECK(failing_madvises == 0);
    struct page_run again = new_run(page_size);
    CHECK(again.start == second.start && is_filled(again.start, page_size, 0));
    page_run_free(again);
    page_run_free(first);
}

static void test_half_of_the_maps(void) {
    struct page_run small = new_run(page_size);
    int count = 0;
    while (MAPS_WITH_GUARD * live_maps < KERNEL_MAP_LIMIT / 2) {
        many[count++] = new_run(LARGE);
    }
    for (int i = 0; i < 10; i++) {
        expect_none(LARGE, PAGES_NO_MAPS);
    }
    struct page_run rest[SLAB_RUNS];
    for (int i = 1; i < SLAB_RUNS; i++) {
        rest[i] = new_run(page_size);
    }
    expect_none(page_size, PAGES_NO_MAPS);
    page_run_free(many[--count]);
    many[count++] = new_run(LARGE);
    expect_none(LARGE, PAGES_NO_MAPS);

    /* A map that the kernel keeps still counts. */
    failing_munmaps = 1;
    page_run_free(many[--count]);
    expect_none(LARGE, PAGES_NO_MAPS);

    while (count > 0) {
        page_run_free(many[--count]);
    }
    for (int i = 1; i < SLAB_RUNS; i++) {
        page_run_free(rest[i]);
    }
    page_run_free(small);
    check_nothing_used();
}

#define OWN_RUNS 100

static void *allocate_and_free(void *seed) {
    unsigned random = *(unsigned *)seed;
    unsigned char mark = (unsigned char)random;
    struct page_run runs[OWN_RUNS] = {0};
    for (int i = 0; i < 20000; i++) {
        struct page_run *run = &runs[rand_r(&random) % OWN_RUNS];
        if (run->start == NULL) {
            *run = new_run(page_size << rand_r(&random) % 3);
            CHECK(is_filled(run->start, run->bytes, 0));
            memset(run->start, mark, run->bytes);
        } else {
            CHECK(is_filled(run->start, run->bytes, mark));
            page_run_free(*run);
            *run = (struct page_run){0};
        }
    }
    for (int i = 0; i < OWN_RUNS; i++) {
        if (runs[i].start != NULL) {
            page_run_free(runs[i]);
        }
    }
    return NULL;
}

static void test_threads(void) {
    pthread_t threads[THREADS];
    unsigned seeds[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i] = i + 1;
        CHECK(pthread_create(&threads[i], NULL, allocate_and_free, &seeds[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    check_nothing_used();
}

/* AddressSanitizer finds an access to pages that no run has. */
static void test_sanitizer(void) {
#if defined(__SANITIZE_ADDRESS__)
    struct page_run first = new_run(page_size);
    struct page_run second = new_run(page_size);
    CHECK(__asan_region_is_poisoned(first.start, page_size) == NULL);
    page_run_free(second);
    CHECK(__asan_address_is_poisoned(second.start));
    CHECK(__asan_region_is_poisoned(first.start, page_size) == NULL);
    page_run_free(first);
    CHECK(__asan_address_is_poisoned(first.start));
#endif
}

int main(void) {
    page_size = (uint64_t)sysconf(_SC_PAGESIZE);
    test_limit_of_the_kernel();
    test_guard();
    test_sizes();
    test_many();
    test_memory_returns(page_size);
    test_memory_returns(LARGEST_SMALL_RUN);
    test_memory_returns(LARGE);
    test_one_by_turns();
    test_kernel_refuses_maps();
    test_kernel_refuses_to_unmap();
    test_kernel_keeps_memory();
    test_half_of_the_maps();
    test_threads();
    test_sanitizer();
    check_nothing_used();
    printf("pages: %lu passed, %lu failed\n", checks_passed, checks_failed);
    fflush(stdout);
    return checks_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
