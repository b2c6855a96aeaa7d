/*
 * Tests the code that runs kernels on the CPU: fibers, threadgroups, workers and traps. Its kernels are functions of
 * this program that use host/msl/kernel.h as compiled kernels do.
 *
 *   workers_test [plain]    leaves out kernels that need fibers, which ThreadSanitizer cannot follow, and those that
 *                           are interrupted, because it holds their signals back
 */
#define _GNU_SOURCE

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "fiber.h"
#include "pages.h"
#include "threads.h"
#include "trap.h"
#include "workers.h"

#define THREADS 4
#define TEXT_SIZE 1024
#define BEYOND 10000

static bool plain_only;

/* ---- helpers ---- */

#define GRID(x, y, z) {x, y, z}

struct run {
    struct dispatch dispatch;
    void *buffers[KERNEL_BUFFERS];
    char text[TEXT_SIZE];
};

static void set_sizes(struct dispatch *dispatch, const uint32_t grid[3], const uint32_t threads_per_group[3]) {
    memcpy(dispatch->grid, grid, sizeof dispatch->grid);
    memcpy(dispatch->threads_per_group, threads_per_group, sizeof dispatch->threads_per_group);
}

/* The worker of the thread that the tests run on. */
static __thread struct worker *worker;

/* Runs a kernel over a grid of one dimension. Returns the failure. */
static int32_t run_kernel(struct run *run, uint32_t threads, uint32_t threads_per_group) {
    set_sizes(&run->dispatch, (uint32_t[3]){threads, 1, 1}, (uint32_t[3]){threads_per_group, 1, 1});
    if (run->dispatch.buffers == NULL) {
        run->dispatch.buffers = run->buffers;
    }
    run->text[0] = '\0';
    return workers_run(worker, &run->dispatch, run->text, sizeof run->text);
}

static struct run plain(kernel_group_function *group) {
    return (struct run){.dispatch = {.kernel = {.name = "plain", .group = group}}};
}

static struct run waiting(kernel_thread_function *thread) {
    return (struct run){.dispatch = {.kernel = {.name = "waiting", .waits = true, .thread = thread}}};
}

static bool has_text(const struct run *run, const char *part) {
    bool has = strstr(run->text, part) != NULL;
    if (!has) {
        fprintf(stderr, "no \"%s\" in \"%s\"\n", part, run->text);
    }
    return has;
}

static uint32_t size_of(const uint32_t sizes[3]) {
    return sizes[0] * sizes[1] * sizes[2];
}

/* The number of a thread in a grid of one dimension. */
static uint32_t global_index(const struct kernel_group *group, const struct kernel_thread *thread) {
    return group->position[0] * group->threads_per_group[0] + thread->position[0];
}

static void add_lanes(void *const *in, void *const *out, uint32_t lanes) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 32; i++) {
        sum += (lanes >> i & 1) != 0 ? *(const uint32_t *)in[i] : 0;
    }
    for (uint32_t i = 0; i < 32; i++) {
        if ((lanes >> i & 1) != 0) {
            *(uint32_t *)out[i] = sum;
        }
    }
}

/* Sums over the lanes at one site. Sites are places of this array, in program order. */
static const char sites[8];

static uint32_t simd_sum(uint32_t value, int site) {
    uint32_t sum;
    threadgroup_runtime.simd(&value, &sum, add_lanes, &sites[site]);
    return sum;
}

/* ---- threadgroups without fibers ---- */

static void count_threads(const struct kernel_group *group) {
    uint32_t *counts = group->buffers[0];
    for (uint32_t z = 0; z < group->threads[2]; z++) {
        for (uint32_t y = 0; y < group->threads[1]; y++) {
            for (uint32_t x = 0; x < group->threads[0]; x++) {
                uint32_t at[3] = {x, y, z};
                for (int i = 0; i < 3; i++) {
                    at[i] += group->position[i] * group->threads_per_group[i];
                }
                counts[(at[2] * group->grid[1] + at[1]) * group->grid[0] + at[0]]++;
            }
        }
    }
}

static void check_grid(const uint32_t grid[3], const uint32_t threads_per_group[3]) {
    uint32_t total = size_of(grid);
    /* What lies beyond the grid stays 0. */
    uint32_t *counts = calloc(total + BEYOND, sizeof *counts);
    struct run run = plain(count_threads);
    run.buffers[0] = counts;
    run.dispatch.buffers = run.buffers;
    set_sizes(&run.dispatch, grid, threads_per_group);
    CHECK(workers_run(worker, &run.dispatch, run.text, sizeof run.text) == MLXSHIM_FAILURE_NONE);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < total; i++) {
        wrong += counts[i] == 1 ? 0 : 1;
    }
    for (uint32_t i = total; i < total + BEYOND; i++) {
        wrong += counts[i] == 0 ? 0 : 1;
    }
    CHECK(wrong == 0);
    free(counts);
}

static void test_grids(void) {
    check_grid((uint32_t[3])GRID(1, 1, 1), (uint32_t[3])GRID(1, 1, 1));
    check_grid((uint32_t[3])GRID(1000, 1, 1), (uint32_t[3])GRID(32, 1, 1));
    check_grid((uint32_t[3])GRID(100003, 1, 1), (uint32_t[3])GRID(7, 1, 1));
    check_grid((uint32_t[3])GRID(17, 19, 23), (uint32_t[3])GRID(4, 8, 5));
    check_grid((uint32_t[3])GRID(3, 1, 1), (uint32_t[3])GRID(1024, 1, 1));
}

/* ---- fibers ---- */

static void sum_simdgroup(const struct kernel_group *group, const struct kernel_thread *thread) {
    uint32_t *out = group->buffers[0];
    uint32_t index = global_index(group, thread);
    uint32_t sum = simd_sum(index, 0);
    out[index] = sum * 100 + threadgroup_runtime.lane();
}

static void test_simdgroups(void) {
    enum { COUNT = 1000 };
    static uint32_t out[COUNT];
    struct run run = waiting(sum_simdgroup);
    run.buffers[0] = out;
    CHECK(run_kernel(&run, COUNT, 96) == MLXSHIM_FAILURE_NONE);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t first = i / 96 * 96 + i % 96 / 32 * 32;
        uint32_t sum = 0;
        for (uint32_t k = first; k < first + 32 && k < COUNT; k++) {
            sum += k;
        }
        wrong += out[i] == sum * 100 + i % 96 % 32 ? 0 : 1;
    }
    CHECK(wrong == 0);
}

/* Lanes take different ways, at the end of which all of them meet. The lanes of the first way arrive there first. */
static void diverge(const struct kernel_group *group, const struct kernel_thread *thread) {
    uint32_t *out = group->buffers[0];
    uint32_t lane = threadgroup_runtime.lane();
    uint32_t sum = lane < 10 ? 0 : simd_sum(1, lane < 20 ? 1 : 2);
    for (uint32_t i = 0; i < lane % 3; i++) {
        sum += simd_sum(1000, 3);
    }
    if (lane == 31) {
        return;
    }
    out[thread->index] = sum + 1000000 * simd_sum(1, 4);
}

static void test_divergence(void) {
    uint32_t out[64] = {0};
    struct run run = waiting(diverge);
    run.buffers[0] = out;
    CHECK(run_kernel(&run, 64, 64) == MLXSHIM_FAILURE_NONE);
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t lane = i % 32;
        uint32_t sum = lane < 10 ? 0 : lane < 20 ? 10 : 12;
        /* 21 lanes go around once or more, 10 of them twice. */
        sum += lane % 3 == 0 ? 0 : lane % 3 == 1 ? 21000 : 31000;
        CHECK(out[i] == (lane == 31 ? 0 : sum + 31 * 1000000));
    }
}

/* Reverses the group's numbers through threadgroup memory, a few times. Every seventh thread returns early. */
static void reverse(const struct kernel_group *group, const struct kernel_thread *thread) {
    uint32_t *out = group->buffers[0];
    uint32_t *memory = group->threadgroup_memory[2];
    uint32_t count = group->threads[0];
    uint32_t value = global_index(group, thread);
    if (thread->index % 7 == 6) {
        memory[thread->index] = 7;
        return;
    }
    for (int i = 0; i < 3; i++) {
        memory[thread->index] = value;
        threadgroup_runtime.barrier();
        value = memory[count - 1 - thread->index];
        threadgroup_runtime.barrier();
    }
    out[global_index(group, thread)] = value;
}

static void check_reverse(uint32_t threads_per_group) {
    uint32_t total = 3 * threads_per_group;
    uint32_t *out = calloc(total, sizeof *out);
    struct run run = waiting(reverse);
    run.buffers[0] = out;
    run.dispatch.threadgroup_lengths[0] = 16;
    run.dispatch.threadgroup_lengths[2] = (threads_per_group * sizeof(uint32_t) + 15) / 16 * 16;
    CHECK(run_kernel(&run, total, threads_per_group) == MLXSHIM_FAILURE_NONE);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < total; i++) {
        uint32_t index = i % threads_per_group;
        uint32_t mirrored = threads_per_group - 1 - index;
        uint32_t expected = index % 7 == 6 ? 0 : mirrored % 7 == 6 ? 7 : i - index + mirrored;
        wrong += out[i] == expected ? 0 : 1;
    }
    CHECK(wrong == 0);
    free(out);
}

static void test_barriers(void) {
    check_reverse(1);
    check_reverse(31);
    check_reverse(32);
    check_reverse(33);
    /* The last thread returns while all others wait. */
    check_reverse(35);
    check_reverse(256);
    check_reverse(1024);
}

/* Threads wait at different barriers, and some have returned: undefined in Metal, and here no reason to hang. */
static void wait_apart(const struct kernel_group *group, const struct kernel_thread *thread) {
    uint32_t *out = group->buffers[0];
    if (thread->index % 3 == 0) {
        return;
    }
    if (thread->index % 3 == 1) {
        threadgroup_runtime.barrier();
        threadgroup_runtime.barrier();
        out[thread->index] = 1;
    } else {
        out[thread->index] = simd_sum(1, 0);
        threadgroup_runtime.barrier();
    }
}

static void test_divergent_barriers(void) {
    uint32_t out[96] = {0};
    struct run run = waiting(wait_apart);
    run.buffers[0] = out;
    CHECK(run_kernel(&run, 96, 96) == MLXSHIM_FAILURE_NONE);
    CHECK(out[0] == 0 && out[1] == 1 && out[2] == 10);
}

static void note_position(const struct kernel_group *group, const struct kernel_thread *thread) {
    uint32_t *out = group->buffers[0];
    const uint32_t *at = thread->position;
    threadgroup_runtime.barrier();
    out[thread->index] = at[0] + 100 * at[1] + 10000 * at[2];
}

static void test_positions(void) {
    uint32_t out[60] = {0};
    struct run run = waiting(note_position);
    run.buffers[0] = out;
    run.dispatch.buffers = run.buffers;
    set_sizes(&run.dispatch, (uint32_t[3])GRID(3, 4, 5), (uint32_t[3])GRID(3, 4, 5));
    CHECK(workers_run(worker, &run.dispatch, run.text, sizeof run.text) == MLXSHIM_FAILURE_NONE);
    for (uint32_t i = 0; i < 60; i++) {
        CHECK(out[i] == i % 3 + 100 * (i / 3 % 4) + 10000 * (i / 12));
    }
}

/* ---- faults ---- */

static volatile uint32_t sink;
static volatile uint32_t zero;

static void read_nothing(const struct kernel_group *group) {
    if (group->position[0] == 3) {
        sink = *(volatile uint32_t *)(uintptr_t)(0x1230 + zero);
    }
}

__attribute__((no_sanitize("undefined"))) static void divide(const struct kernel_group *group) {
    sink = group->position[0] / zero;
}

static void reach_trap(const struct kernel_group *group) {
    (void)group;
    __builtin_trap();
}

/* The array is as large as a private array of a kernel may be, and read so that no call is a tail call. */
static uint32_t recurse(uint32_t depth) {
    volatile uint32_t array[64];
    array[depth % 64] = depth;
    return depth == UINT32_MAX - zero ? 0 : recurse(depth + 1) + array[depth % 64];
}

static void overflow_plain(const struct kernel_group *group) {
    sink = recurse(group->position[0]);
}

static void loop_plain(const struct kernel_group *group) {
    while (zero == 0) {
        sink = group->position[0];
    }
}

static void fault_in_thread(const struct kernel_group *group, const struct kernel_thread *thread) {
    threadgroup_runtime.barrier();
    if (group->position[0] == 1 && thread->index == 17) {
        sink = *(volatile uint32_t *)(uintptr_t)(0x1230 + zero);
    }
    threadgroup_runtime.barrier();
}

static void overflow_thread(const struct kernel_group *group, const struct kernel_thread *thread) {
    (void)group;
    threadgroup_runtime.barrier();
    if (thread->index == 5) {
        sink = recurse(0);
    }
}

static void loop_thread(const struct kernel_group *group, const struct kernel_thread *thread) {
    (void)group;
    (void)thread;
    while (zero == 0) {
        threadgroup_runtime.barrier();
    }
}

static void overrun_memory(const struct kernel_group *group, const struct kernel_thread *thread) {
    threadgroup_runtime.barrier();
    volatile char *memory = group->threadgroup_memory[0];
    memory[thread->index == 1 ? 64 + zero : 0] = 1;
}

static void check_failure(struct run run, int32_t failure, const char *text, const char *place) {
    CHECK(run_kernel(&run, 320, 32) == failure);
    workers_set_timeout(0);
    CHECK(has_text(&run, text));
    CHECK(has_text(&run, place));
    /* The worker is as good as before. */
    test_grids();
    if (!plain_only) {
        check_reverse(33);
    }
}

static void test_plain_faults(void) {
    check_failure(plain(read_nothing), MLXSHIM_FAILURE_FAULT, "kernel plain: invalid access at 0x1230",
                "in threadgroup (3, 0, 0)");
    check_failure(plain(reach_trap), MLXSHIM_FAILURE_FAULT, "illegal instruction", "in threadgroup (");
    check_failure(plain(overflow_plain), MLXSHIM_FAILURE_FAULT, "stack overflow", "in threadgroup (");
#if defined(__x86_64__)
    check_failure(plain(divide), MLXSHIM_FAILURE_FAULT, "integer division by zero", "in threadgroup (");
#else
    /* A division by zero is 0 on this machine. */
    struct run run = plain(divide);
    CHECK(run_kernel(&run, 1, 1) == MLXSHIM_FAILURE_NONE);
#endif
}

static void test_fiber_faults(void) {
    check_failure(waiting(fault_in_thread), MLXSHIM_FAILURE_FAULT, "kernel waiting: invalid access at 0x1230",
                "in threadgroup (1, 0, 0), thread 17");
    check_failure(waiting(overflow_thread), MLXSHIM_FAILURE_FAULT, "stack overflow", ", thread 5");
    struct run run = waiting(overrun_memory);
    run.dispatch.threadgroup_lengths[0] = 64;
    check_failure(run, MLXSHIM_FAILURE_FAULT, "invalid access", ", thread 1");
}

static void test_timeouts(void) {
    /* Only the endless kernels have so little time: others may wait for long for a CPU. */
    workers_set_timeout(50);
    check_failure(plain(loop_plain), MLXSHIM_FAILURE_TIMEOUT, "ran for longer than 50 ms", "in threadgroup (");
    workers_set_timeout(50);
    check_failure(waiting(loop_thread), MLXSHIM_FAILURE_TIMEOUT, "ran for longer than 50 ms", ", thread ");
}

/* One threadgroup loops, and another faults: the fault ends both, long before the time is over. */
static void fault_or_loop(const struct kernel_group *group) {
    if (group->position[0] == 100) {
        read_nothing(&(struct kernel_group){.position = {3}});
    }
    while (group->position[0] == 0 && zero == 0) {
        sink = 0;
    }
}

static void test_fault_ends_other_threads(void) {
    struct run run = plain(fault_or_loop);
    if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
        CHECK(run_kernel(&run, 6400, 32) == MLXSHIM_FAILURE_FAULT);
    }
}

/* ---- stacks ---- */

static void test_stacks(void) {
    /* Stacks may take a quarter of all memory maps, two each. */
    uint64_t most = kernel_map_limit() / 8;
    if (most > 1000000) {
        return;
    }
    struct fiber_stack **stacks = calloc(most + 1, sizeof *stacks);
    CHECK(!fiber_stacks_take(stacks, (uint32_t)most + 1, true));
    CHECK(fiber_stacks_take(stacks, 100, false));
    CHECK(!fiber_stacks_take(stacks, (uint32_t)(most / 32 * 32), false));
    fiber_stacks_give(stacks, 100);
    CHECK(fiber_stacks_take(stacks, (uint32_t)(most / 32 * 32), false));
    fiber_stacks_give(stacks, (uint32_t)(most / 32 * 32));
    free(stacks);
}

/* ---- signals of others ---- */

static sigjmp_buf back;
static volatile int handled;
static void *volatile handled_address;
static volatile bool usr1_blocked;

static void on_fault(int signal, siginfo_t *info, void *context) {
    (void)context;
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    usr1_blocked = sigismember(&mask, SIGUSR1) == 1;
    handled = signal;
    handled_address = info->si_addr;
    siglongjmp(back, 1);
}

static void handle(int signal) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaddset(&action.sa_mask, SIGUSR1);
    CHECK(sigaction(signal, &action, NULL) == 0);
}

/* Like the JVM, this program has handlers before the first dispatch, and gets the faults of its own threads. */
static void provoke_faults(void) {
    handled = 0;
    if (sigsetjmp(back, 1) == 0) {
        sink = *(volatile uint32_t *)(uintptr_t)(0x4560 + zero);
    }
    CHECK(handled == SIGSEGV && handled_address == (void *)0x4560 && usr1_blocked);
    handled = 0;
    if (sigsetjmp(back, 1) == 0) {
        raise(SIGFPE);
    }
    CHECK(handled == SIGFPE);
}

static void unblock_usr1(void) {
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL) == 0);
}

static void *provoke_many_faults(void *unused) {
    unblock_usr1();
    for (int i = 0; i < 100; i++) {
        provoke_faults();
    }
    return unused;
}

/* Signals that other processes and threads send are no faults of the kernel during which they come. */
static void receive_signals(const struct kernel_group *group) {
    uint32_t *out = group->buffers[0];
    handled = 0;
    if (sigsetjmp(back, 1) == 0) {
        raise(SIGFPE);
    }
    raise(SIGURG);
    out[0] = (uint32_t)handled;
}

static void test_signals_during_a_kernel(void) {
    uint32_t out = 0;
    struct run run = plain(receive_signals);
    run.buffers[0] = &out;
    CHECK(run_kernel(&run, 1, 1) == MLXSHIM_FAILURE_NONE);
    CHECK(out == SIGFPE);
}

static void test_signals_of_others(void) {
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, provoke_many_faults, NULL) == 0);
    for (int i = 0; i < 100; i++) {
        struct run run = plain(read_nothing);
        CHECK(run_kernel(&run, 320, 32) == MLXSHIM_FAILURE_FAULT);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    /* The same on a thread that runs kernels, while it runs none. */
    unblock_usr1();
    provoke_faults();
    /* SIGURG, with which the watchdog interrupts kernels, stays harmless. */
    CHECK(raise(SIGURG) == 0);
    test_signals_during_a_kernel();
}

/* ---- several threads ---- */

static void run_many(void *unused) {
    (void)unused;
    worker = worker_new();
    REQUIRE(worker != NULL);
    for (int i = 0; i < 20; i++) {
        test_grids();
        if (!plain_only) {
            check_reverse(256);
        }
        struct run run = plain(read_nothing);
        CHECK(run_kernel(&run, 320, 32) == MLXSHIM_FAILURE_FAULT);
    }
    worker_free(worker);
}

static void test_several_threads(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        REQUIRE(thread_start(&threads[i], run_many, NULL));
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

static void test_all(void *unused) {
    (void)unused;
    worker = worker_new();
    REQUIRE(worker != NULL);
    test_grids();
    test_plain_faults();
    if (!plain_only) {
        test_simdgroups();
        test_divergence();
        test_barriers();
        test_divergent_barriers();
        test_positions();
        test_fiber_faults();
        test_stacks();
        test_timeouts();
        test_fault_ends_other_threads();
    }
    test_signals_of_others();
    test_several_threads();
    worker_free(worker);
}

int main(int argc, char **argv) {
    plain_only = argc > 1 && strcmp(argv[1], "plain") == 0;
    handle(SIGSEGV);
    handle(SIGFPE);
    pthread_t thread;
    CHECK(thread_start(&thread, test_all, NULL) && pthread_join(thread, NULL) == 0);
    printf("%lu checks passed, %lu failed\n", atomic_load(&checks_passed), atomic_load(&checks_failed));
    return atomic_load(&checks_failed) == 0 ? 0 : 1;
}
