#include "books.h"

#include <pthread.h>

#if defined(MLXSHIM_FAULTS)
#include "mlxshim_faults.h"
#endif

static struct {
    pthread_mutex_t lock;
    uint64_t alive[KINDS];
    uint64_t bytes;
#if defined(MLXSHIM_FAULTS)
    bool no_device;
    bool empty_create;
    bool empty_wrap;
    int32_t no_residency_sets;
    uint64_t byte_budget;
    uint64_t creates_until_fault; /* 0: none is set */
    uint64_t faults_left;
#endif
} books = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
#if defined(MLXSHIM_FAULTS)
    .byte_budget = UINT64_MAX,
#endif
};

/* With the lock held: whether a fault that a test has set strikes the creation of `kind` with `bytes`. */
static bool fault_strikes(enum kind kind, uint64_t bytes) {
#if defined(MLXSHIM_FAULTS)
    if (kind == DEVICES) {
        return books.no_device;
    }
    if (books.creates_until_fault > 1) {
        books.creates_until_fault--;
    } else if (books.creates_until_fault == 1) {
        if (--books.faults_left == 0) {
            books.creates_until_fault = 0;
        }
        return true;
    }
    return kind == BUFFERS && (books.bytes > books.byte_budget || bytes > books.byte_budget - books.bytes);
#else
    (void)kind;
    (void)bytes;
    return false;
#endif
}

bool books_enter(enum kind kind, uint64_t bytes) {
    pthread_mutex_lock(&books.lock);
    bool granted = !fault_strikes(kind, bytes);
    if (granted) {
        books.alive[kind]++;
        books.bytes += bytes;
    }
    pthread_mutex_unlock(&books.lock);
    return granted;
}

void books_leave(enum kind kind, uint64_t bytes) {
    pthread_mutex_lock(&books.lock);
    books.alive[kind]--;
    books.bytes -= bytes;
    pthread_mutex_unlock(&books.lock);
}

uint64_t books_bytes(void) {
    pthread_mutex_lock(&books.lock);
    uint64_t bytes = books.bytes;
    pthread_mutex_unlock(&books.lock);
    return bytes;
}

#if defined(MLXSHIM_FAULTS)

int32_t books_no_residency_sets(void) {
    pthread_mutex_lock(&books.lock);
    int32_t cause = books.no_residency_sets;
    pthread_mutex_unlock(&books.lock);
    return cause;
}

static bool is_set(const bool *fault) {
    pthread_mutex_lock(&books.lock);
    bool set = *fault;
    pthread_mutex_unlock(&books.lock);
    return set;
}

bool books_empty_create(void) {
    return is_set(&books.empty_create);
}

bool books_empty_wrap(void) {
    return is_set(&books.empty_wrap);
}

void mlxshim_faults_clear(void) {
    pthread_mutex_lock(&books.lock);
    books.no_device = false;
    books.empty_create = false;
    books.empty_wrap = false;
    books.no_residency_sets = 0;
    books.byte_budget = UINT64_MAX;
    books.creates_until_fault = 0;
    books.faults_left = 0;
    pthread_mutex_unlock(&books.lock);
}

void mlxshim_faults_set_no_device(int32_t absent) {
    pthread_mutex_lock(&books.lock);
    books.no_device = absent != 0;
    pthread_mutex_unlock(&books.lock);
}

void mlxshim_faults_set_byte_budget(uint64_t bytes) {
    pthread_mutex_lock(&books.lock);
    books.byte_budget = bytes;
    pthread_mutex_unlock(&books.lock);
}

void mlxshim_faults_fail_create(uint64_t nth, uint64_t count) {
    pthread_mutex_lock(&books.lock);
    books.creates_until_fault = count == 0 ? 0 : nth;
    books.faults_left = count;
    pthread_mutex_unlock(&books.lock);
}

void mlxshim_faults_set_no_residency_sets(int32_t cause) {
    pthread_mutex_lock(&books.lock);
    books.no_residency_sets = cause;
    pthread_mutex_unlock(&books.lock);
}

void mlxshim_faults_set_empty_create(int32_t empty) {
    pthread_mutex_lock(&books.lock);
    books.empty_create = empty != 0;
    pthread_mutex_unlock(&books.lock);
}

void mlxshim_faults_set_empty_wrap(int32_t empty) {
    pthread_mutex_lock(&books.lock);
    books.empty_wrap = empty != 0;
    pthread_mutex_unlock(&books.lock);
}

static uint64_t alive(enum kind kind) {
    pthread_mutex_lock(&books.lock);
    uint64_t count = books.alive[kind];
    pthread_mutex_unlock(&books.lock);
    return count;
}

uint64_t mlxshim_faults_live_devices(void) {
    return alive(DEVICES);
}

uint64_t mlxshim_faults_live_buffers(void) {
    return alive(BUFFERS);
}

uint64_t mlxshim_faults_live_events(void) {
    return alive(EVENTS);
}

uint64_t mlxshim_faults_live_residency_sets(void) {
    return alive(RESIDENCY_SETS);
}

#endif
