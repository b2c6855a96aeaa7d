#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "threads.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>

#if defined(__linux__)
#include "trap.h"
#endif

/* A kernel that never waits runs its threads on the stack of the thread itself. */
#define STACK_BYTES (1024 * 1024)
/* Wider than a page, because a function with a large frame may step over a narrow guard. */
#define GUARD_BYTES (64 * 1024)

/* Lives on the stack of thread_start until the thread has begun. */
struct start {
    void (*body)(void *argument);
    void *argument;
    pthread_mutex_t lock;
    pthread_cond_t decided;
    enum { STARTING, RUNS, FAILED } state;
};

static void decide(struct start *start, bool runs) {
    pthread_mutex_lock(&start->lock);
    start->state = runs ? RUNS : FAILED;
    pthread_cond_signal(&start->decided);
    pthread_mutex_unlock(&start->lock);
}

static void *run(void *argument) {
    struct start *start = argument;
    void (*body)(void *argument) = start->body;
    void *body_argument = start->argument;
#if defined(__linux__)
    bool begun = trap_thread_begin();
    decide(start, begun);
    if (begun) {
        body(body_argument);
        trap_thread_end();
    }
#else
    decide(start, true);
    body(body_argument);
#endif
    return NULL;
}

static pthread_once_t kept = PTHREAD_ONCE_INIT;

/* Does nothing in a program that this file is linked with. */
static void keep_loaded(void) {
    Dl_info library;
    if (dladdr(&kept, &library) != 0) {
        dlopen(library.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
    }
}

static bool create(pthread_t *out_thread, struct start *start) {
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) {
        return false;
    }
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setguardsize(&attributes, GUARD_BYTES);
    sigset_t all;
    sigset_t caller;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &caller);
    bool created = pthread_create(out_thread, &attributes, run, start) == 0;
    pthread_sigmask(SIG_SETMASK, &caller, NULL);
    pthread_attr_destroy(&attributes);
    return created;
}

bool thread_start(pthread_t *out_thread, void (*body)(void *argument), void *argument) {
    pthread_once(&kept, keep_loaded);
    struct start start = {.body = body, .argument = argument, .state = STARTING};
    pthread_mutex_init(&start.lock, NULL);
    pthread_cond_init(&start.decided, NULL);
    bool runs = create(out_thread, &start);
    if (runs) {
        pthread_mutex_lock(&start.lock);
        while (start.state == STARTING) {
            pthread_cond_wait(&start.decided, &start.lock);
        }
        runs = start.state == RUNS;
        pthread_mutex_unlock(&start.lock);
        if (!runs) {
            pthread_join(*out_thread, NULL);
        }
    }
    pthread_cond_destroy(&start.decided);
    pthread_mutex_destroy(&start.lock);
    return runs;
}
