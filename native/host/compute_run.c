#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "compute_commands.h"

#if defined(__linux__)
#include "trap.h"
#include "workers.h"
#endif

/* How a command failed. */
struct outcome {
    int32_t failure; /* MLXSHIM_FAILURE_* */
    char text[COMPUTE_TEXT_BYTES];
};

static uint64_t nanos_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void fail(struct outcome *outcome, int32_t failure, const char *text) {
    outcome->failure = failure;
    snprintf(outcome->text, sizeof outcome->text, "%s", text);
}

/* ---- commands ---- */

static void move_bytes(void *argument) {
    const struct compute_command *command = argument;
    if (command->kind == COMPUTE_COPY) {
        memmove(command->copy.to, command->copy.from, command->copy.length);
    } else {
        memset(command->fill.bytes, command->fill.byte, command->fill.length);
    }
}

#if defined(__linux__)

static void run_dispatch(struct compute_dispatch *dispatch, struct worker **worker, struct outcome *outcome) {
    if (*worker == NULL) {
        *worker = worker_new();
        if (*worker == NULL) {
            fail(outcome, MLXSHIM_FAILURE_OUT_OF_MEMORY, "no memory left to run a kernel");
            return;
        }
    }
    struct msl_kernel *kernel = dispatch->kernel;
    msl_kernel_set_runtime(kernel, &threadgroup_runtime);
    struct dispatch run = {
        .kernel = {.name = msl_kernel_name(kernel),
                   .waits = msl_kernel_waits(kernel),
                   .thread = msl_kernel_thread_function(kernel),
                   .group = msl_kernel_group_function(kernel)},
        .buffers = dispatch->buffers,
    };
    memcpy(run.threadgroup_lengths, dispatch->threadgroup_lengths, sizeof run.threadgroup_lengths);
    memcpy(run.grid, dispatch->grid, sizeof run.grid);
    memcpy(run.threads_per_group, dispatch->threads_per_group, sizeof run.threads_per_group);
    outcome->failure = workers_run(*worker, &run, outcome->text, sizeof outcome->text);
}

/* A buffer may wrap the pages of a file, which another process can cut short. */
static void run_move(struct compute_command *command, struct outcome *outcome) {
    const atomic_bool never = false;
    struct trap trap;
    if (!trap_call(move_bytes, command, &never, &trap)) {
        outcome->failure = MLXSHIM_FAILURE_FAULT;
        snprintf(outcome->text, sizeof outcome->text, "%s: invalid access at %p",
                 command->kind == COMPUTE_COPY ? "copy" : "fill", trap.address);
    }
}

#else

/* There is no compiler of kernels here, so there are none to dispatch. */
static void run_dispatch(struct compute_dispatch *dispatch, struct worker **worker, struct outcome *outcome) {
    (void)dispatch;
    (void)worker;
    fail(outcome, MLXSHIM_FAILURE_OTHER, "kernels run on Linux and on Metal alone");
}

static void run_move(struct compute_command *command, struct outcome *outcome) {
    (void)outcome;
    move_bytes(command);
}

#endif

static void run_command(struct compute_command *command, struct worker **worker, struct outcome *outcome) {
    struct compute_event *event = &command->event.event;
    switch (command->kind) {
        case COMPUTE_DISPATCH: run_dispatch(command->dispatch, worker, outcome); break;
        case COMPUTE_COPY:
        case COMPUTE_FILL: run_move(command, outcome); break;
        case COMPUTE_SIGNAL: event->signal(event->owner.object, command->event.value); break;
        case COMPUTE_WAIT:
            while (!event->wait(event->owner.object, command->event.value, UINT64_MAX)) {
            }
            break;
    }
}

/* ---- a command buffer ---- */

static const char *injected_text(int32_t failure) {
    switch (failure) {
        case MLXSHIM_FAILURE_FAULT: return "a test asked for a fault";
        case MLXSHIM_FAILURE_TIMEOUT: return "a test asked for a timeout";
        case MLXSHIM_FAILURE_OUT_OF_MEMORY: return "a test asked for a lack of memory";
        default: return "a test asked for a failure";
    }
}

static void begin(struct compute_commands *commands) {
    pthread_mutex_lock(&commands->lock);
    commands->status = MLXSHIM_STATUS_SCHEDULED;
    commands->start = nanos_now();
    pthread_mutex_unlock(&commands->lock);
}

static void end(struct compute_commands *commands, const struct outcome *outcome) {
    bool failed = outcome->failure != MLXSHIM_FAILURE_NONE;
    pthread_mutex_lock(&commands->lock);
    commands->status = failed ? MLXSHIM_STATUS_ERROR : MLXSHIM_STATUS_COMPLETED;
    commands->failure = outcome->failure;
    memcpy(commands->text, outcome->text, sizeof commands->text);
    commands->end = nanos_now();
    pthread_mutex_unlock(&commands->lock);
}

void compute_run(struct compute_commands *commands, struct worker **worker) {
    struct outcome outcome = {.failure = MLXSHIM_FAILURE_NONE};
    begin(commands);
    for (uint64_t i = 0; i < commands->count && outcome.failure == MLXSHIM_FAILURE_NONE; i++) {
        run_command(&commands->commands[i], worker, &outcome);
    }
    if (outcome.failure == MLXSHIM_FAILURE_NONE && commands->injected_failure != MLXSHIM_FAILURE_NONE) {
        fail(&outcome, commands->injected_failure, injected_text(commands->injected_failure));
    }
    end(commands, &outcome);
    compute_commands_clear(commands);
}
