#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "constants.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT 64
#define CHUNK_BYTES (64 * 1024)
#define GUARD_BYTES (64 * 1024)

struct constants_chunk {
    struct constants_chunk *next;
    char *start;
    uint64_t used;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards unused */
static struct constants_chunk *unused;

static struct constants_chunk *chunk_new(void) {
    struct constants_chunk *chunk = malloc(sizeof *chunk);
    char *start = chunk == NULL ? MAP_FAILED
                                : mmap(NULL, CHUNK_BYTES + GUARD_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (start == MAP_FAILED) {
        free(chunk);
        return NULL;
    }
    if (mprotect(start, CHUNK_BYTES, PROT_READ | PROT_WRITE) != 0) {
        munmap(start, CHUNK_BYTES + GUARD_BYTES);
        free(chunk);
        return NULL;
    }
    chunk->start = start;
    return chunk;
}

static struct constants_chunk *chunk_take(void) {
    pthread_mutex_lock(&lock);
    struct constants_chunk *chunk = unused;
    if (chunk != NULL) {
        unused = chunk->next;
    }
    pthread_mutex_unlock(&lock);
    return chunk != NULL ? chunk : chunk_new();
}

void *constants_copy(struct constants *constants, const void *bytes, uint64_t length) {
    uint64_t whole = (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct constants_chunk *chunk = constants->chunks;
    if (chunk == NULL || whole > CHUNK_BYTES - chunk->used) {
        chunk = chunk_take();
        if (chunk == NULL) {
            return NULL;
        }
        chunk->used = 0;
        chunk->next = constants->chunks;
        constants->chunks = chunk;
    }
    char *copy = chunk->start + chunk->used;
    chunk->used += whole;
    memcpy(copy, bytes, length);
    memset(copy + length, 0, whole - length);
    return copy;
}

void constants_clear(struct constants *constants) {
    pthread_mutex_lock(&lock);
    while (constants->chunks != NULL) {
        struct constants_chunk *chunk = constants->chunks;
        constants->chunks = chunk->next;
        chunk->next = unused;
        unused = chunk;
    }
    pthread_mutex_unlock(&lock);
}
