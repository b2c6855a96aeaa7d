#if defined(__linux__)
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "threadgroup.h"

#include <stdlib.h>
#include <string.h>

#define LANES KERNEL_SIMDGROUP_SIZE
#define SIMDGROUPS (KERNEL_MAX_THREADS / LANES)

_Static_assert(LANES == 32 && SIMDGROUPS <= 32, "sets of lanes and of simdgroups have 32 bits");

/* Sets of lanes, a bit for each. A live lane that neither runs, nor is in `ready` or `waiting`, waits at a barrier. */
struct simdgroup {
    uint32_t live;
    uint32_t started;
    uint32_t ready;   /* can run: has not started, or no longer waits */
    uint32_t waiting; /* in an operation of the simdgroup */
    uint32_t first;   /* the lane that waited first */
    bool uniform;     /* whether all that wait are at one site */
    void *in[LANES];  /* of the lanes that wait, like the arrays below */
    void *out[LANES];
    kernel_combine *combine[LANES];
    const void *site[LANES];
};

struct threadgroup {
    const struct kernel_group *group;
    kernel_thread_function *function;
    uint32_t current; /* the thread that runs */
    uint32_t live;
    uint32_t at_barrier;
    uint32_t ready_simdgroups; /* a set: those with a ready lane */
    uint32_t simdgroup_count;
    struct simdgroup simdgroups[SIMDGROUPS];
    uint32_t shape[3]; /* that `threads` is filled for */
    struct kernel_thread threads[KERNEL_MAX_THREADS];
    void *suspended[KERNEL_MAX_THREADS]; /* the stack pointers of started threads that do not run */
    struct fiber_stack *stack_of[KERNEL_MAX_THREADS];
    void *caller; /* the stack pointer of threadgroup_run */
    struct fiber_stack *free_stacks[KERNEL_MAX_THREADS];
    uint32_t free_count;
    struct fiber_stack *taken_stacks[KERNEL_MAX_THREADS];
    uint32_t taken_count;
};

/* The group that this thread of the CPU runs, if it has taken stacks. All fibers of a group stay on one thread. */
static __thread struct threadgroup *running;

struct threadgroup *threadgroup_new(void) {
    return calloc(1, sizeof(struct threadgroup));
}

void threadgroup_free(struct threadgroup *threadgroup) {
    free(threadgroup);
}

bool threadgroup_take_stacks(struct threadgroup *threadgroup, uint32_t threads, bool wait) {
    if (!fiber_stacks_take(threadgroup->taken_stacks, threads, wait)) {
        return false;
    }
    threadgroup->taken_count = threads;
    running = threadgroup;
    /* A thread that left a group in the middle may have left the positions half filled. */
    memset(threadgroup->shape, 0, sizeof threadgroup->shape);
    return true;
}

void threadgroup_release_stacks(struct threadgroup *threadgroup) {
    fiber_stacks_give(threadgroup->taken_stacks, threadgroup->taken_count);
    threadgroup->taken_count = 0;
}

/* ---- which thread runs next ---- */

static void make_ready(struct threadgroup *group, uint32_t simdgroup, uint32_t lanes) {
    group->simdgroups[simdgroup].ready |= lanes;
    if (group->simdgroups[simdgroup].ready != 0) {
        group->ready_simdgroups |= 1U << simdgroup;
    }
}

static void make_unready(struct threadgroup *group, uint32_t thread) {
    struct simdgroup *simdgroup = &group->simdgroups[thread / LANES];
    simdgroup->ready &= ~(1U << thread % LANES);
    if (simdgroup->ready == 0) {
        group->ready_simdgroups &= ~(1U << thread / LANES);
    }
}

/* The lowest member of a set that is above `member`, or the lowest of all. */
static uint32_t next_member(uint32_t set, uint32_t member) {
    uint32_t above = set & ~(UINT32_MAX >> (31 - member));
    return (uint32_t)__builtin_ctz(above != 0 ? above : set);
}

/* Runs the operation that the given lanes wait for, and lets them go on. */
static void combine_lanes(struct threadgroup *group, uint32_t index, uint32_t lanes) {
    struct simdgroup *simdgroup = &group->simdgroups[index];
    uint32_t any = (uint32_t)__builtin_ctz(lanes);
    simdgroup->combine[any](simdgroup->in, simdgroup->out, lanes);
    simdgroup->waiting &= ~lanes;
    simdgroup->uniform = false;
    make_ready(group, index, lanes);
}

/* The waiting lanes at the lowest site. */
static uint32_t lanes_behind(const struct simdgroup *simdgroup) {
    uint32_t lowest = (uint32_t)__builtin_ctz(simdgroup->waiting);
    for (uint32_t left = simdgroup->waiting; left != 0; left &= left - 1) {
        uint32_t lane = (uint32_t)__builtin_ctz(left);
        if ((uintptr_t)simdgroup->site[lane] < (uintptr_t)simdgroup->site[lowest]) {
            lowest = lane;
        }
    }
    uint32_t lanes = 0;
    for (uint32_t left = simdgroup->waiting; left != 0; left &= left - 1) {
        uint32_t lane = (uint32_t)__builtin_ctz(left);
        bool together = simdgroup->site[lane] == simdgroup->site[lowest] &&
                        simdgroup->combine[lane] == simdgroup->combine[lowest];
        lanes |= together ? 1U << lane : 0;
    }
    return lanes;
}

static void open_barrier(struct threadgroup *group) {
    group->at_barrier = 0;
    for (uint32_t i = 0; i < group->simdgroup_count; i++) {
        make_ready(group, i, group->simdgroups[i].live);
    }
}

/* Lets threads go on where none is ready. There is a live thread. */
static void resolve(struct threadgroup *group) {
    if (group->at_barrier == group->live) {
        open_barrier(group);
        return;
    }
    for (uint32_t i = 0; i < group->simdgroup_count; i++) {
        if (group->simdgroups[i].waiting != 0) {
            combine_lanes(group, i, lanes_behind(&group->simdgroups[i]));
        }
    }
}

/* Takes a ready thread, of the same simdgroup if there is one. */
static uint32_t take_ready(struct threadgroup *group) {
    if (group->ready_simdgroups == 0) {
        resolve(group);
    }
    uint32_t simdgroup = group->current / LANES;
    uint32_t lane = group->current % LANES;
    if (group->simdgroups[simdgroup].ready == 0) {
        simdgroup = next_member(group->ready_simdgroups, simdgroup);
        lane = LANES - 1;
    }
    uint32_t thread = simdgroup * LANES + next_member(group->simdgroups[simdgroup].ready, lane);
    make_unready(group, thread);
    return thread;
}

/* ---- fibers ---- */

static bool start(struct threadgroup *group, uint32_t thread) {
    uint32_t *started = &group->simdgroups[thread / LANES].started;
    uint32_t lane = 1U << thread % LANES;
    bool starts = (*started & lane) == 0;
    *started |= lane;
    return starts;
}

static void end(struct threadgroup *group, uint32_t thread) {
    group->live--;
    group->simdgroups[thread / LANES].live &= ~(1U << thread % LANES);
}

/* Runs threads on one stack: when a thread ends, the stack goes on with the next one that has not started. */
static void run_threads(void) {
    struct threadgroup *group = running;
    void *ended;
    for (;;) {
        uint32_t thread = group->current;
        struct fiber_stack *stack = group->stack_of[thread];
        group->function(group->group, &group->threads[thread]);
        end(group, thread);
        if (group->live == 0) {
            fiber_switch(&ended, group->caller);
        }
        uint32_t next = take_ready(group);
        group->current = next;
        if (start(group, next)) {
            group->stack_of[next] = stack;
        } else {
            group->free_stacks[group->free_count++] = stack;
            fiber_switch(&ended, group->suspended[next]);
        }
    }
}

/* Lets other threads run until the current one is ready. */
static void suspend(struct threadgroup *group) {
    uint32_t thread = group->current;
    uint32_t next = take_ready(group);
    if (next == thread) {
        return;
    }
    group->current = next;
    void *resumed = group->suspended[next];
    if (start(group, next)) {
        group->stack_of[next] = group->free_stacks[--group->free_count];
        resumed = fiber_new(group->stack_of[next], run_threads);
    }
    fiber_switch(&group->suspended[thread], resumed);
}

/* ---- what kernels call ---- */

static void simd(const void *in, void *out, kernel_combine *combine, const void *site) {
    struct threadgroup *group = running;
    uint32_t index = group->current / LANES;
    uint32_t lane = group->current % LANES;
    struct simdgroup *simdgroup = &group->simdgroups[index];
    if (simdgroup->waiting == 0) {
        simdgroup->first = lane;
        simdgroup->uniform = true;
    } else if (site != simdgroup->site[simdgroup->first] || combine != simdgroup->combine[simdgroup->first]) {
        simdgroup->uniform = false;
    }
    simdgroup->in[lane] = (void *)(uintptr_t)in;
    simdgroup->out[lane] = out;
    simdgroup->combine[lane] = combine;
    simdgroup->site[lane] = site;
    simdgroup->waiting |= 1U << lane;
    if (simdgroup->waiting == simdgroup->live && simdgroup->uniform) {
        combine_lanes(group, index, simdgroup->waiting);
        make_unready(group, group->current);
    } else {
        suspend(group);
    }
}

static void barrier(void) {
    struct threadgroup *group = running;
    group->at_barrier++;
    if (group->at_barrier == group->live) {
        open_barrier(group);
        make_unready(group, group->current);
    } else {
        suspend(group);
    }
}

static uint32_t lane(void) {
    return running->current % LANES;
}

const struct kernel_runtime threadgroup_runtime = {.simd = simd, .barrier = barrier, .lane = lane};

/* ---- a group ---- */

static void fill_threads(struct threadgroup *threadgroup, const uint32_t shape[3]) {
    if (memcmp(threadgroup->shape, shape, sizeof threadgroup->shape) == 0) {
        return;
    }
    memcpy(threadgroup->shape, shape, sizeof threadgroup->shape);
    struct kernel_thread *thread = threadgroup->threads;
    for (uint32_t z = 0; z < shape[2]; z++) {
        for (uint32_t y = 0; y < shape[1]; y++) {
            for (uint32_t x = 0; x < shape[0]; x++, thread++) {
                *thread = (struct kernel_thread){{x, y, z}, (uint32_t)(thread - threadgroup->threads)};
            }
        }
    }
}

static void reset(struct threadgroup *threadgroup) {
    threadgroup->at_barrier = 0;
    threadgroup->ready_simdgroups = 0;
    threadgroup->simdgroup_count = (threadgroup->live + LANES - 1) / LANES;
    for (uint32_t i = 0; i < threadgroup->simdgroup_count; i++) {
        uint32_t left = threadgroup->live - i * LANES;
        struct simdgroup *simdgroup = &threadgroup->simdgroups[i];
        simdgroup->live = left < LANES ? (1U << left) - 1 : UINT32_MAX;
        simdgroup->started = 0;
        simdgroup->ready = 0;
        simdgroup->waiting = 0;
        make_ready(threadgroup, i, simdgroup->live);
    }
    memcpy(threadgroup->free_stacks, threadgroup->taken_stacks,
           threadgroup->taken_count * sizeof threadgroup->free_stacks[0]);
    threadgroup->free_count = threadgroup->taken_count;
}

void threadgroup_run(struct threadgroup *threadgroup, const struct threadgroup_kernel *kernel,
                     const struct kernel_group *group) {
    if (!kernel->waits) {
        threadgroup->current = THREADGROUP_NO_THREAD;
        kernel->group(group);
        return;
    }
    threadgroup->group = group;
    threadgroup->function = kernel->thread;
    threadgroup->live = group->threads[0] * group->threads[1] * group->threads[2];
    fill_threads(threadgroup, group->threads);
    reset(threadgroup);
    threadgroup->current = 0;
    make_unready(threadgroup, 0);
    start(threadgroup, 0);
    struct fiber_stack *stack = threadgroup->free_stacks[--threadgroup->free_count];
    threadgroup->stack_of[0] = stack;
    fiber_switch(&threadgroup->caller, fiber_new(stack, run_threads));
}

uint32_t threadgroup_current(const struct threadgroup *threadgroup) {
    return threadgroup->current;
}

bool threadgroup_is_stack_overflow(const struct threadgroup *threadgroup, const void *address) {
    uint32_t current = threadgroup->current;
    return current != THREADGROUP_NO_THREAD && fiber_is_guard(threadgroup->stack_of[current], address);
}

#else
typedef int threadgroup_is_for_linux; /* C forbids an empty file. */
#endif
