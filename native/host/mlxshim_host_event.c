/* Shared events of the host shim: counters that threads wait for. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "mlxshim_host.h"

#include <errno.h>
#include <time.h>

int32_t mlxshim_event_create(mlxshim_device_t device, mlxshim_event_t *out_event, char *message,
                             uint64_t message_capacity) {
    if (device == NULL || out_event == NULL) {
        return fail(MLXSHIM_ERROR_INVALID_ARGUMENT, "device or out_event is NULL", message, message_capacity);
    }
    mlxshim_event_t event = handle_new(EVENTS, sizeof *event);
    if (event == NULL) {
        return fail(MLXSHIM_ERROR_OUT_OF_MEMORY, "no memory left for a shared event", message, message_capacity);
    }
    pthread_mutex_init(&event->lock, NULL);
#if defined(__APPLE__)
    pthread_cond_init(&event->raised, NULL);
#else
    /* Setting the system's clock must not lengthen or shorten a wait. */
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&event->raised, &attributes);
    pthread_condattr_destroy(&attributes);
#endif
    event->references = 1;
    *out_event = event;
    return MLXSHIM_OK;
}

static void event_free(mlxshim_event_t event) {
    pthread_cond_destroy(&event->raised);
    pthread_mutex_destroy(&event->lock);
    handle_free(EVENTS, event);
}

void event_retain(mlxshim_event_t event) {
    pthread_mutex_lock(&event->lock);
    event->references++;
    pthread_mutex_unlock(&event->lock);
}

void mlxshim_event_release(mlxshim_event_t event) {
    if (event == NULL) {
        return;
    }
    pthread_mutex_lock(&event->lock);
    bool last = --event->references == 0;
    pthread_mutex_unlock(&event->lock);
    if (last) {
        event_free(event);
    }
}

uint64_t mlxshim_event_signaled_value(mlxshim_event_t event) {
    pthread_mutex_lock(&event->lock);
    uint64_t value = event->value;
    pthread_mutex_unlock(&event->lock);
    return value;
}

/* Returns false if the value would go backwards. Caller holds the lock. */
static bool raise_value(mlxshim_event_t event, uint64_t value) {
    if (value < event->value) {
        return false;
    }
    event->value = value;
    pthread_cond_broadcast(&event->raised);
    return true;
}

int32_t mlxshim_event_signal(mlxshim_event_t event, uint64_t value) {
    pthread_mutex_lock(&event->lock);
    bool forward = raise_value(event, value);
    pthread_mutex_unlock(&event->lock);
    return forward ? MLXSHIM_OK : MLXSHIM_ERROR_INVALID_ARGUMENT;
}

void event_raise(mlxshim_event_t event, uint64_t value) {
    mlxshim_event_signal(event, value);
}

void event_raise_and_release(mlxshim_event_t event, uint64_t value) {
    pthread_mutex_lock(&event->lock);
    raise_value(event, value);
    bool last = --event->references == 0;
    pthread_mutex_unlock(&event->lock);
    if (last) {
        event_free(event);
    }
}

#define NANOS_PER_SECOND 1000000000LL
/* A year: longer than any real wait, and short enough for every time_t. */
#define LONGEST_WAIT_MILLIS (365ULL * 24 * 60 * 60 * 1000)

static struct timespec monotonic_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now;
}

static int wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *deadline) {
#if defined(__APPLE__)
    struct timespec now = monotonic_now();
    int64_t left = (deadline->tv_sec - now.tv_sec) * NANOS_PER_SECOND + (deadline->tv_nsec - now.tv_nsec);
    if (left <= 0) {
        return ETIMEDOUT;
    }
    struct timespec relative = {.tv_sec = left / NANOS_PER_SECOND, .tv_nsec = left % NANOS_PER_SECOND};
    return pthread_cond_timedwait_relative_np(condition, lock, &relative);
#else
    return pthread_cond_timedwait(condition, lock, deadline);
#endif
}

int32_t mlxshim_event_wait(mlxshim_event_t event, uint64_t value, uint64_t timeout_millis) {
    uint64_t millis = timeout_millis < LONGEST_WAIT_MILLIS ? timeout_millis : LONGEST_WAIT_MILLIS;
    struct timespec deadline = monotonic_now();
    deadline.tv_sec += (time_t)(millis / 1000);
    deadline.tv_nsec += (long)(millis % 1000) * 1000000;
    if (deadline.tv_nsec >= NANOS_PER_SECOND) {
        deadline.tv_sec++;
        deadline.tv_nsec -= NANOS_PER_SECOND;
    }
    pthread_mutex_lock(&event->lock);
    int waited = 0;
    while (event->value < value && waited != ETIMEDOUT) {
        waited = wait_until(&event->raised, &event->lock, &deadline);
    }
    bool reached = event->value >= value;
    pthread_mutex_unlock(&event->lock);
    return reached ? MLXSHIM_OK : MLXSHIM_ERROR_TIMEOUT;
}
