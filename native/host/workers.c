#if defined(__linux__)
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "workers.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "threads.h"
#include "trap.h"

#define NANOS_PER_SECOND 1000000000ULL
#define NANOS_PER_MILLI 1000000ULL

/* How long the watchdog waits before it interrupts a thread again that has missed its signal. */
#define INTERRUPT_INTERVAL (10 * NANOS_PER_MILLI)

/* Below this number of threads, a dispatch may be over before a helper wakes up. */
#define SMALL_DISPATCH 4096
/* Longer than a helper takes to wake up. */
#define WORTH_HELP_NANOS 30000

/* Threadgroup memory lies between guards, and ends where the upper one begins. */
#define MEMORY_GUARD (64 * 1024)
#define MEMORY_ALIGNMENT 64
#define MEMORY_BYTES (WORKERS_MAX_THREADGROUP_MEMORY + 8192)

_Static_assert(WORKERS_MAX_THREADGROUP_MEMORY + KERNEL_THREADGROUP_MEMORIES * MEMORY_ALIGNMENT <= MEMORY_BYTES,
               "there is room to align each threadgroup memory");

struct worker {
    struct threadgroup *threadgroup;
    char *memory;
};

/* A dispatch that runs. It lives on the stack of workers_run. */
struct job {
    TAILQ_ENTRY(job) offered_link;
    LIST_ENTRY(job) running_link;
    bool offered; /* whether it is in `offered` */
    const struct dispatch *dispatch;
    uint32_t groups[3];
    uint64_t total; /* threadgroups */
    uint64_t chunk; /* threadgroups that are taken at once */
    _Atomic uint64_t next;
    atomic_bool stop; /* no further threadgroup is begun */
    LIST_HEAD(, participant) participants;
    pthread_cond_t left; /* a participant left */
    uint64_t deadline;
    uint64_t timeout_millis;
    int32_t failure;
    char *text;
    size_t text_capacity;
};

/* A thread that runs threadgroups of a job. */
struct participant {
    LIST_ENTRY(participant) link;
    pthread_t thread;
    struct job *job;
    struct worker *worker;
    uint64_t limit; /* threadgroups to run at most */
    struct kernel_group group;
    void *memories[KERNEL_THREADGROUP_MEMORIES];
};

/* Guards the variables below, the lists of jobs, and all of a job but its atomic fields. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static TAILQ_HEAD(, job) offered = TAILQ_HEAD_INITIALIZER(offered); /* those that helpers may join */
static LIST_HEAD(, job) running;                                    /* all */
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;              /* a job was offered */
static uint32_t helpers;
static uint32_t most_helpers;
static pthread_cond_t watch; /* there is an earlier deadline than `watched_until` */
static bool watched;         /* whether there is a watchdog */
static uint64_t watched_until;
static uint64_t default_timeout_millis;
static uint64_t timeout_millis;

static uint64_t nanos_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANOS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static uint32_t cpu_count(void) {
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0) {
        return (uint32_t)CPU_COUNT(&cpus);
    }
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (uint32_t)count;
}

static void initialize(void) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watch, &attributes);
    pthread_condattr_destroy(&attributes);
    most_helpers = cpu_count() - 1;
    const char *text = getenv(WORKERS_TIMEOUT_VARIABLE);
    unsigned long long millis = text == NULL ? 0 : strtoull(text, NULL, 10);
    default_timeout_millis = millis == 0 ? WORKERS_TIMEOUT_MILLIS : millis;
    timeout_millis = default_timeout_millis;
}

void workers_set_timeout(uint64_t millis) {
    pthread_once(&once, initialize);
    pthread_mutex_lock(&lock);
    timeout_millis = millis == 0 ? default_timeout_millis : millis;
    pthread_mutex_unlock(&lock);
}

/* ---- a worker ---- */

struct worker *worker_new(void) {
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        return NULL;
    }
    worker->threadgroup = threadgroup_new();
    char *map = mmap(NULL, MEMORY_BYTES + 2 * MEMORY_GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map != MAP_FAILED) {
        worker->memory = map + MEMORY_GUARD;
    }
    if (worker->threadgroup == NULL || worker->memory == NULL ||
        mprotect(worker->memory, MEMORY_BYTES, PROT_READ | PROT_WRITE) != 0) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

void worker_free(struct worker *worker) {
    if (worker == NULL) {
        return;
    }
    if (worker->memory != NULL) {
        munmap(worker->memory - MEMORY_GUARD, MEMORY_BYTES + 2 * MEMORY_GUARD);
    }
    threadgroup_free(worker->threadgroup);
    free(worker);
}

/* ---- failures ---- */

static void describe(const struct trap *trap, const struct participant *participant, char *text, size_t capacity) {
    switch (trap->signal) {
        case 0:
            snprintf(text, capacity, "ran for longer than %" PRIu64 " ms", participant->job->timeout_millis);
            return;
        case SIGFPE: snprintf(text, capacity, "integer division by zero, or with a result out of range"); return;
        case SIGILL:
        case SIGTRAP: snprintf(text, capacity, "illegal instruction, as compilers put where no code gets"); return;
    }
    if (threadgroup_is_stack_overflow(participant->worker->threadgroup, trap->address) ||
        trap_is_stack_overflow(trap->address)) {
        snprintf(text, capacity, "stack overflow");
    } else if (trap->code == SI_KERNEL) {
        snprintf(text, capacity, "misaligned access, or access to an address that no memory has");
    } else {
        snprintf(text, capacity, "invalid access at 0x%" PRIxPTR, (uintptr_t)trap->address);
    }
}

/* Ends a job with a failure, unless it has one. Caller holds the lock. */
static void fail(struct job *job, int32_t failure, const char *what) {
    if (job->failure == MLXSHIM_FAILURE_NONE) {
        job->failure = failure;
        snprintf(job->text, job->text_capacity, "kernel %.256s: %s", job->dispatch->kernel.name, what);
    }
    atomic_store(&job->stop, true);
    job->deadline = 0; /* the watchdog interrupts the other participants */
    if (watched) {
        pthread_cond_signal(&watch);
    }
}

/* Caller holds the lock. */
static void fail_in_kernel(struct participant *participant, const struct trap *trap) {
    char what[128];
    describe(trap, participant, what, sizeof what);
    const uint32_t *position = participant->group.position;
    char place[128];
    int length = snprintf(place, sizeof place, " in threadgroup (%" PRIu32 ", %" PRIu32 ", %" PRIu32 ")", position[0],
                          position[1], position[2]);
    uint32_t thread = threadgroup_current(participant->worker->threadgroup);
    if (thread != THREADGROUP_NO_THREAD) {
        snprintf(place + length, sizeof place - (size_t)length, ", thread %" PRIu32, thread);
    }
    char both[256];
    snprintf(both, sizeof both, "%s%s", what, place);
    fail(participant->job, trap->signal == 0 ? MLXSHIM_FAILURE_TIMEOUT : MLXSHIM_FAILURE_FAULT, both);
}

/* ---- the watchdog ---- */

/* Interrupts the participants of jobs whose time is over. Returns when to look again. Caller holds the lock. */
static uint64_t interrupt_jobs(void) {
    uint64_t now = nanos_now();
    uint64_t again = UINT64_MAX;
    struct job *job;
    LIST_FOREACH(job, &running, running_link) {
        uint64_t next = job->deadline;
        if (next <= now) {
            atomic_store(&job->stop, true);
            struct participant *participant;
            LIST_FOREACH(participant, &job->participants, link) {
                trap_interrupt(participant->thread);
            }
            next = now + INTERRUPT_INTERVAL;
        }
        again = next < again ? next : again;
    }
    return again;
}

static void run_watchdog(void *unused) {
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        watched_until = interrupt_jobs();
        if (watched_until == UINT64_MAX) {
            pthread_cond_wait(&watch, &lock);
        } else {
            struct timespec until = {.tv_sec = (time_t)(watched_until / NANOS_PER_SECOND),
                                     .tv_nsec = (long)(watched_until % NANOS_PER_SECOND)};
            pthread_cond_timedwait(&watch, &lock, &until);
        }
    }
}

/* Caller holds the lock. */
static bool begin_watch(struct job *job) {
    if (!watched) {
        pthread_t thread;
        watched = thread_start(&thread, run_watchdog, NULL);
        if (!watched) {
            return false;
        }
        pthread_detach(thread);
    }
    job->timeout_millis = timeout_millis;
    job->deadline = nanos_now() + timeout_millis * NANOS_PER_MILLI;
    LIST_INSERT_HEAD(&running, job, running_link);
    if (job->deadline < watched_until) {
        pthread_cond_signal(&watch);
    }
    return true;
}

/* ---- threadgroups ---- */

static void place_memories(struct participant *participant) {
    const struct dispatch *dispatch = participant->job->dispatch;
    char *end = participant->worker->memory + MEMORY_BYTES;
    for (int i = 0; i < KERNEL_THREADGROUP_MEMORIES; i++) {
        uint64_t length = dispatch->threadgroup_lengths[i];
        if (length > 0) {
            end -= (length + MEMORY_ALIGNMENT - 1) / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT;
            participant->memories[i] = end;
        }
    }
}

static void place_group(struct participant *participant, uint64_t index) {
    struct kernel_group *group = &participant->group;
    group->position[0] = (uint32_t)(index % group->groups[0]);
    group->position[1] = (uint32_t)(index / group->groups[0] % group->groups[1]);
    group->position[2] = (uint32_t)(index / group->groups[0] / group->groups[1]);
    for (int i = 0; i < 3; i++) {
        uint32_t left = group->grid[i] - group->position[i] * group->threads_per_group[i];
        group->threads[i] = left < group->threads_per_group[i] ? left : group->threads_per_group[i];
    }
}

static void run_groups(void *argument) {
    struct participant *participant = argument;
    struct job *job = participant->job;
    uint64_t left = participant->limit;
    while (left > 0) {
        uint64_t most = job->chunk < left ? job->chunk : left;
        uint64_t first = atomic_fetch_add(&job->next, most);
        if (first >= job->total) {
            return;
        }
        uint64_t count = job->total - first < most ? job->total - first : most;
        for (uint64_t i = first; i < first + count; i++) {
            if (atomic_load_explicit(&job->stop, memory_order_relaxed)) {
                return;
            }
            place_group(participant, i);
            threadgroup_run(participant->worker->threadgroup, &job->dispatch->kernel, &participant->group);
        }
        left -= count;
    }
}

/* ---- jobs ---- */

/* Caller holds the lock, like those of the functions below. */
static void withdraw(struct job *job) {
    if (job->offered) {
        TAILQ_REMOVE(&offered, job, offered_link);
        job->offered = false;
    }
}

/*
 * Runs threadgroups of a job, at most `limit`, until there are none left. Caller holds the lock, which is released
 * meanwhile. An owner, unlike a helper, waits for the stacks that it needs.
 */
static void participate(struct job *job, struct worker *worker, uint64_t limit, bool owner) {
    const struct dispatch *dispatch = job->dispatch;
    struct participant participant = {
        .thread = pthread_self(), .job = job, .worker = worker, .limit = limit};
    struct kernel_group *group = &participant.group;
    group->buffers = dispatch->buffers;
    memcpy(group->threads_per_group, dispatch->threads_per_group, sizeof group->threads_per_group);
    memcpy(group->grid, dispatch->grid, sizeof group->grid);
    memcpy(group->groups, job->groups, sizeof group->groups);
    group->threadgroup_memory = participant.memories;
    place_memories(&participant);
    LIST_INSERT_HEAD(&job->participants, &participant, link);
    pthread_mutex_unlock(&lock);

    const uint32_t *threads = dispatch->threads_per_group;
    bool ready = !dispatch->kernel.waits ||
                 threadgroup_take_stacks(worker->threadgroup, threads[0] * threads[1] * threads[2], owner);
    struct trap trap = {0};
    bool trapped = ready && !trap_call(run_groups, &participant, &job->stop, &trap);
    if (ready && dispatch->kernel.waits) {
        threadgroup_release_stacks(worker->threadgroup);
    }

    pthread_mutex_lock(&lock);
    if (trapped) {
        fail_in_kernel(&participant, &trap);
    } else if (!ready && owner) {
        fail(job, MLXSHIM_FAILURE_OUT_OF_MEMORY, "no memory, or no memory maps, for the stacks of its threads");
    }
    LIST_REMOVE(&participant, link);
    if (limit == UINT64_MAX) {
        /* There are no threadgroups left, or no stacks. */
        withdraw(job);
    }
    pthread_cond_signal(&job->left);
}

static void run_helper(void *argument) {
    struct worker *worker = argument;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (TAILQ_EMPTY(&offered)) {
            pthread_cond_wait(&work, &lock);
        }
        /* The next helper joins the next job. */
        struct job *job = TAILQ_FIRST(&offered);
        TAILQ_REMOVE(&offered, job, offered_link);
        TAILQ_INSERT_TAIL(&offered, job, offered_link);
        participate(job, worker, UINT64_MAX, false);
    }
}

static void add_helper(void) {
    struct worker *worker = worker_new();
    pthread_t thread;
    if (worker != NULL && thread_start(&thread, run_helper, worker)) {
        pthread_detach(thread);
        helpers++;
    } else {
        worker_free(worker);
        most_helpers = helpers;
    }
}

static void offer(struct job *job) {
    uint64_t chunks = (job->total - 1) / job->chunk;
    uint32_t wanted = chunks < most_helpers ? (uint32_t)chunks : most_helpers;
    while (helpers < wanted && helpers < most_helpers) {
        add_helper();
    }
    TAILQ_INSERT_TAIL(&offered, job, offered_link);
    job->offered = true;
    for (uint32_t i = 0; i < wanted; i++) {
        pthread_cond_signal(&work);
    }
}

/* Whether the threadgroups that are left take so long that helpers are worth their waking up. */
static bool is_worth_help(struct job *job, struct worker *worker, uint64_t threads) {
    if (job->total == 1 || threads >= SMALL_DISPATCH) {
        return job->total > 1;
    }
    uint64_t begin = nanos_now();
    participate(job, worker, 1, true);
    return job->failure == MLXSHIM_FAILURE_NONE && (nanos_now() - begin) * (job->total - 1) > WORTH_HELP_NANOS;
}

int32_t workers_run(struct worker *worker, const struct dispatch *dispatch, char *text, size_t text_capacity) {
    pthread_once(&once, initialize);
    struct job job = {.dispatch = dispatch, .total = 1, .text = text, .text_capacity = text_capacity};
    uint64_t threads = 1;
    for (int i = 0; i < 3; i++) {
        uint32_t per_group = dispatch->threads_per_group[i];
        job.groups[i] = dispatch->grid[i] / per_group + (dispatch->grid[i] % per_group == 0 ? 0 : 1);
        job.total *= job.groups[i];
        threads *= dispatch->grid[i];
    }
    /* A helper joins late, so each takes many chunks; a group with fibers takes long enough to be one. */
    job.chunk = dispatch->kernel.waits || job.total < 64 ? 1 : job.total / 64;
    pthread_cond_init(&job.left, NULL);
    pthread_mutex_lock(&lock);
    if (!begin_watch(&job)) {
        fail(&job, MLXSHIM_FAILURE_OUT_OF_MEMORY, "no thread left to watch it");
    } else {
        if (is_worth_help(&job, worker, threads)) {
            offer(&job);
        }
        if (job.failure == MLXSHIM_FAILURE_NONE) {
            participate(&job, worker, UINT64_MAX, true);
        }
        withdraw(&job);
        while (!LIST_EMPTY(&job.participants)) {
            pthread_cond_wait(&job.left, &lock);
        }
        LIST_REMOVE(&job, running_link);
        if (atomic_load(&job.stop)) {
            fail(&job, MLXSHIM_FAILURE_TIMEOUT, "ran for too long");
        }
    }
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&job.left);
    return job.failure;
}

#else
typedef int workers_is_for_linux; /* C forbids an empty file. */
#endif
