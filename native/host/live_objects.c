#include "live_objects.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards counts and live_bytes */
static uint64_t counts[OBJECT_KINDS];
static uint64_t live_bytes;

bool live_objects_add(enum object_kind kind, uint64_t bytes, uint64_t byte_limit) {
    pthread_mutex_lock(&lock);
    bool fits = live_bytes <= byte_limit && bytes <= byte_limit - live_bytes;
    if (fits) {
        counts[kind]++;
        live_bytes += bytes;
    }
    pthread_mutex_unlock(&lock);
    return fits;
}

void live_objects_remove(enum object_kind kind, uint64_t bytes) {
    pthread_mutex_lock(&lock);
    counts[kind]--;
    live_bytes -= bytes;
    pthread_mutex_unlock(&lock);
}

static uint64_t read_locked(const uint64_t *number) {
    pthread_mutex_lock(&lock);
    uint64_t value = *number;
    pthread_mutex_unlock(&lock);
    return value;
}

uint64_t live_objects_count(enum object_kind kind) {
    return read_locked(&counts[kind]);
}

uint64_t live_objects_bytes(void) {
    return read_locked(&live_bytes);
}
