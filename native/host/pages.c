/*
 * A small run is a part of a slab, which is a map that is divided into runs of one size, a power of two. A large run
 * has a map of its own. Pages of a small run behind its `bytes` are never accessed, so they take no memory.
 *
 * Freeing a small run unmaps nothing, because a hole would split the map in two. The kernel takes the memory, and the
 * addresses stay in the slab. An empty slab is unmapped, unless it is the only slab of its size with a free run.
 * Otherwise a caller that allocates and frees one run by turns would map and unmap a slab each time.
 *
 * A new slab is mapped only if every slab of its size is full. So the number of slabs of a size is at most
 *
 *     peak runs of the size / runs of a slab + 1 + threads that allocate at the same moment
 *
 * In the worst case one run of each slab stays in use after the peak. At most one slab of a size is empty, so the slabs
 * are never more than the small runs in use + SIZES.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "pages.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

/* AddressSanitizer reports an access to a small run that is free, although its pages are mapped. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define FORBID_ACCESS(start, bytes) __asan_poison_memory_region(start, bytes)
#define ALLOW_ACCESS(start, bytes) __asan_unpoison_memory_region(start, bytes)
#else
#define FORBID_ACCESS(start, bytes) ((void)0)
#define ALLOW_ACCESS(start, bytes) ((void)0)
#endif

#define LARGEST_SMALL_RUN (1ULL << 20)
#define SLAB_BYTES (4ULL << 20) /* of a slab with fewer than MOST_RUNS runs */
#define MOST_RUNS 64            /* the bits of a set of runs */
#define MAPS_WITH_GUARD 2       /* pages, and the guard behind them */
#define SIZES 9                 /* powers of two from a page of 4 KiB to LARGEST_SMALL_RUN */

LIST_HEAD(slab_list, slab);

struct slab {
    LIST_ENTRY(slab) link;  /* in `list`, while there is a free run */
    struct slab_list *list; /* the element of `usable` for the size of its runs */
    char *start;
    uint64_t run_bytes;
    uint64_t all_runs;  /* a set: bit i stands for the run at start + i * run_bytes */
    uint64_t free_runs; /* a subset of all_runs */
};

/* A map that munmap refused, written at its start. */
struct refused_map {
    struct refused_map *next;
    uint64_t bytes;
};

/* Guards the variables below, and `link` and `free_runs` of every slab. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slab_list usable[SIZES]; /* slabs with a free run; the one that was full last is first */
static struct refused_map *refused;
static uint64_t maps;      /* of slabs, of large runs, and in `refused`, each with its guard */
static uint64_t map_limit; /* kernel_map_limit(), or 0 before its first call */

/* ---- maps ---- */

static uint64_t read_map_limit(void) {
#if defined(__linux__)
    uint64_t limit = 0;
    char text[32];
    int file = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? 0 : read(file, text, sizeof text);
    for (ssize_t i = 0; i < length && text[i] >= '0' && text[i] <= '9'; i++) {
        limit = limit * 10 + (uint64_t)(text[i] - '0');
    }
    if (file >= 0) {
        close(file);
    }
    return limit == 0 ? 65530 : limit; /* Linux's default */
#else
    return UINT64_MAX;
#endif
}

/* Caller holds the lock. */
static uint64_t map_limit_locked(void) {
    if (map_limit == 0) {
        map_limit = read_map_limit();
    }
    return map_limit;
}

uint64_t kernel_map_limit(void) {
    pthread_mutex_lock(&lock);
    uint64_t limit = map_limit_locked();
    pthread_mutex_unlock(&lock);
    return limit;
}

static uint64_t page_bytes(void) {
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

/*
 * Maps pages, and a page behind them as a guard: a kernel that writes right behind its buffer meets a fault there, and not
 * the memory of the JVM. Linux counts the guard as a map of its own.
 */
static enum pages_status map(uint64_t bytes, void **out_start) {
    pthread_mutex_lock(&lock);
    /* The other half is left for files, and for the heap and the threads of the JVM. */
    bool admitted = maps + MAPS_WITH_GUARD <= map_limit_locked() / 2;
    maps += admitted ? MAPS_WITH_GUARD : 0;
    pthread_mutex_unlock(&lock);
    if (!admitted) {
        return PAGES_NO_MAPS;
    }
    void *start = mmap(NULL, bytes + page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (start == MAP_FAILED) {
        pthread_mutex_lock(&lock);
        maps -= MAPS_WITH_GUARD;
        pthread_mutex_unlock(&lock);
        return PAGES_NO_MEMORY;
    }
    /* Refused if the process has too many maps already. The pages serve without a guard too. */
    (void)mprotect((char *)start + bytes, page_bytes(), PROT_NONE);
    *out_start = start;
    return PAGES_OK;
}

/* Returns the memory of pages to the kernel. The pages stay mapped, and are zero. */
static void discard(void *start, uint64_t bytes) {
#if defined(__linux__)
    bool discarded = madvise(start, bytes, MADV_DONTNEED) == 0;
#else
    /* Elsewhere MADV_DONTNEED may keep the contents. */
    bool discarded =
        mmap(start, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0) != MAP_FAILED;
#endif
    if (!discarded) {
        /* The kernel takes no memory of a process that has locked it. */
        memset(start, 0, bytes);
    }
}

/*
 * Unmaps what `map` has mapped. Linux joins adjacent maps, and munmap fails if it has to split one while the process has
 * kernel_map_limit() of them. The memory is then returned except for one page, and the next call tries again.
 */
static void unmap(void *start, uint64_t bytes) {
    ALLOW_ACCESS(start, bytes);
    bool unmapped = munmap(start, bytes + page_bytes()) == 0;
    if (!unmapped) {
        discard(start, bytes);
    }
    pthread_mutex_lock(&lock);
    if (unmapped) {
        maps -= MAPS_WITH_GUARD;
        while (refused != NULL) {
            struct refused_map *next = refused->next;
            if (munmap(refused, refused->bytes + page_bytes()) != 0) {
                break;
            }
            refused = next;
            maps -= MAPS_WITH_GUARD;
        }
    } else {
        struct refused_map *kept = start;
        *kept = (struct refused_map){.next = refused, .bytes = bytes};
        refused = kept;
    }
    pthread_mutex_unlock(&lock);
}

/* ---- slabs ---- */

static uint64_t slab_bytes(const struct slab *slab) {
    uint64_t most = MOST_RUNS * slab->run_bytes;
    return most < SLAB_BYTES ? most : SLAB_BYTES;
}

/* Maps a slab whose runs are all free. It is in no list yet. */
static enum pages_status slab_new(uint64_t run_bytes, struct slab_list *list, struct slab **out_slab) {
    struct slab *slab = calloc(1, sizeof *slab);
    if (slab == NULL) {
        return PAGES_NO_MEMORY;
    }
    slab->list = list;
    slab->run_bytes = run_bytes;
    uint64_t bytes = slab_bytes(slab);
    void *start;
    enum pages_status status = map(bytes, &start);
    if (status != PAGES_OK) {
        free(slab);
        return status;
    }
#if defined(MADV_NOHUGEPAGE)
    /* A huge page would keep the memory of free runs beside one in use. Kernels without huge pages refuse the call. */
    madvise(start, bytes, MADV_NOHUGEPAGE);
#endif
    FORBID_ACCESS(start, bytes);
    slab->start = start;
    slab->all_runs = UINT64_MAX >> (MOST_RUNS - bytes / run_bytes);
    slab->free_runs = slab->all_runs;
    *out_slab = slab;
    return PAGES_OK;
}

static void slab_free(struct slab *slab) {
    unmap(slab->start, slab_bytes(slab));
    free(slab);
}

static enum pages_status small_run_new(uint64_t bytes, struct page_run *out_run) {
    struct slab_list *list = usable;
    uint64_t run_bytes = page_bytes();
    while (run_bytes < bytes) {
        run_bytes *= 2;
        list++;
    }
    pthread_mutex_lock(&lock);
    struct slab *slab = LIST_FIRST(list);
    if (slab == NULL) {
        pthread_mutex_unlock(&lock);
        enum pages_status status = slab_new(run_bytes, list, &slab);
        if (status != PAGES_OK) {
            return status;
        }
        pthread_mutex_lock(&lock);
        LIST_INSERT_HEAD(list, slab, link);
    }
    uint64_t index = (uint64_t)__builtin_ctzll(slab->free_runs);
    slab->free_runs &= ~(1ULL << index);
    if (slab->free_runs == 0) {
        LIST_REMOVE(slab, link);
    }
    pthread_mutex_unlock(&lock);
    *out_run = (struct page_run){.start = slab->start + index * run_bytes, .bytes = bytes, .slab = slab};
    ALLOW_ACCESS(out_run->start, bytes);
    return PAGES_OK;
}

static void small_run_free(struct page_run run) {
    struct slab *slab = run.slab;
    uint64_t index = (uint64_t)((char *)run.start - slab->start) / slab->run_bytes;
    discard(run.start, run.bytes);
    FORBID_ACCESS(run.start, run.bytes);
    pthread_mutex_lock(&lock);
    if (slab->free_runs == 0) {
        LIST_INSERT_HEAD(slab->list, slab, link);
    }
    slab->free_runs |= 1ULL << index;
    bool only_one = LIST_FIRST(slab->list) == slab && LIST_NEXT(slab, link) == NULL;
    bool surplus = slab->free_runs == slab->all_runs && !only_one;
    if (surplus) {
        LIST_REMOVE(slab, link);
    }
    pthread_mutex_unlock(&lock);
    if (surplus) {
        slab_free(slab);
    }
}

/* ---- runs ---- */

enum pages_status page_run_new(uint64_t bytes, struct page_run *out_run) {
    if (bytes <= LARGEST_SMALL_RUN) {
        return small_run_new(bytes, out_run);
    }
    void *start;
    enum pages_status status = map(bytes, &start);
    if (status == PAGES_OK) {
        *out_run = (struct page_run){.start = start, .bytes = bytes};
    }
    return status;
}

void page_run_free(struct page_run run) {
    if (run.slab != NULL) {
        small_run_free(run);
    } else {
        unmap(run.start, run.bytes);
    }
}
