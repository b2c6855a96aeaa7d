#include "faults.h"

#include <pthread.h>

#include "mlxshim_faults.h"

#if defined(__linux__)
#include "workers.h"
#endif

/* A fault that begins with the nth call from now on, and ends after some calls. */
struct countdown {
    uint64_t calls_until_failure; /* counts the failing call too; 0 if no call is to fail */
    uint64_t failures_left;
};

struct faults {
    int32_t no_device;
    int32_t no_residency_sets;
    int32_t empty_create;
    int32_t empty_wrap;
    int32_t command_buffer_failure;
    int32_t queues_held;
    int32_t purging;
    uint64_t byte_budget;
    struct countdown creating;
    struct countdown purgeable;
};

#define NO_FAULTS {.byte_budget = UINT64_MAX}

/* Guards `faults`. A thread that holds it may take the lock of live_objects.c; no thread takes them the other way. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct faults faults = NO_FAULTS;
static pthread_cond_t queues_let_go = PTHREAD_COND_INITIALIZER;

/* Counts a call, and returns whether it is to fail. Caller holds the lock. */
static bool call_fails(struct countdown *countdown) {
    if (countdown->calls_until_failure > 1) {
        countdown->calls_until_failure--;
        return false;
    }
    if (countdown->calls_until_failure == 0) {
        return false;
    }
    if (--countdown->failures_left == 0) {
        countdown->calls_until_failure = 0;
    }
    return true;
}

bool faults_admit(enum object_kind kind, uint64_t bytes) {
    pthread_mutex_lock(&lock);
    bool fails = kind == DEVICES ? faults.no_device != 0 : kind != TEXTS && call_fails(&faults.creating);
    uint64_t byte_limit = kind == BUFFERS ? faults.byte_budget : UINT64_MAX;
    bool admitted = !fails && live_objects_add(kind, bytes, byte_limit);
    pthread_mutex_unlock(&lock);
    return admitted;
}

static int32_t get(const int32_t *fault) {
    pthread_mutex_lock(&lock);
    int32_t value = *fault;
    pthread_mutex_unlock(&lock);
    return value;
}

static void set(int32_t *fault, int32_t value) {
    pthread_mutex_lock(&lock);
    *fault = value;
    pthread_mutex_unlock(&lock);
}

int32_t faults_no_residency_sets(void) {
    return get(&faults.no_residency_sets);
}

bool faults_empty_create(void) {
    return get(&faults.empty_create) != 0;
}

bool faults_empty_wrap(void) {
    return get(&faults.empty_wrap) != 0;
}

bool faults_purge(void) {
    return get(&faults.purging) != 0;
}

bool faults_refuse_purgeable(void) {
    pthread_mutex_lock(&lock);
    bool refused = call_fails(&faults.purgeable);
    pthread_mutex_unlock(&lock);
    return refused;
}

int32_t faults_command_buffer_failure(void) {
    return get(&faults.command_buffer_failure);
}

void faults_wait_while_held(void) {
    pthread_mutex_lock(&lock);
    while (faults.queues_held != 0) {
        pthread_cond_wait(&queues_let_go, &lock);
    }
    pthread_mutex_unlock(&lock);
}

void mlxshim_faults_clear(void) {
    pthread_mutex_lock(&lock);
    faults = (struct faults)NO_FAULTS;
    pthread_cond_broadcast(&queues_let_go);
    pthread_mutex_unlock(&lock);
    mlxshim_faults_set_kernel_timeout(0);
}

void mlxshim_faults_set_no_device(int32_t absent) {
    set(&faults.no_device, absent);
}

void mlxshim_faults_set_byte_budget(uint64_t bytes) {
    pthread_mutex_lock(&lock);
    faults.byte_budget = bytes;
    pthread_mutex_unlock(&lock);
}

static void fail(struct countdown *countdown, uint64_t nth, uint64_t count) {
    pthread_mutex_lock(&lock);
    *countdown = (struct countdown){.calls_until_failure = count == 0 ? 0 : nth, .failures_left = count};
    pthread_mutex_unlock(&lock);
}

void mlxshim_faults_fail_create(uint64_t nth, uint64_t count) {
    fail(&faults.creating, nth, count);
}

void mlxshim_faults_set_purging(int32_t purging) {
    set(&faults.purging, purging);
}

void mlxshim_faults_fail_purgeable(uint64_t nth, uint64_t count) {
    fail(&faults.purgeable, nth, count);
}

void mlxshim_faults_set_no_residency_sets(int32_t cause) {
    set(&faults.no_residency_sets, cause);
}

void mlxshim_faults_set_empty_create(int32_t empty) {
    set(&faults.empty_create, empty);
}

void mlxshim_faults_set_empty_wrap(int32_t empty) {
    set(&faults.empty_wrap, empty);
}

void mlxshim_faults_set_command_buffer_failure(int32_t failure) {
    set(&faults.command_buffer_failure, failure);
}

void mlxshim_faults_hold_queues(int32_t held) {
    pthread_mutex_lock(&lock);
    faults.queues_held = held;
    pthread_cond_broadcast(&queues_let_go);
    pthread_mutex_unlock(&lock);
}

void mlxshim_faults_set_kernel_timeout(uint64_t millis) {
#if defined(__linux__)
    workers_set_timeout(millis);
#else
    (void)millis;
#endif
}

uint64_t mlxshim_faults_live_devices(void) {
    return live_objects_count(DEVICES);
}

uint64_t mlxshim_faults_live_buffers(void) {
    return live_objects_count(BUFFERS);
}

uint64_t mlxshim_faults_live_events(void) {
    return live_objects_count(EVENTS);
}

uint64_t mlxshim_faults_live_residency_sets(void) {
    return live_objects_count(RESIDENCY_SETS);
}

uint64_t mlxshim_faults_live_texts(void) {
    return live_objects_count(TEXTS);
}

uint64_t mlxshim_faults_live_libraries(void) {
    return live_objects_count(LIBRARIES);
}

uint64_t mlxshim_faults_live_pipelines(void) {
    return live_objects_count(PIPELINES);
}

uint64_t mlxshim_faults_live_queues(void) {
    return live_objects_count(QUEUES);
}

uint64_t mlxshim_faults_live_command_buffers(void) {
    return live_objects_count(COMMAND_BUFFERS);
}
