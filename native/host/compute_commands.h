/* The inside of a command buffer, which compute_commands.c fills and compute_run.c runs. */
#ifndef COMPUTE_COMMANDS_H
#define COMPUTE_COMMANDS_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "compute.h"
#include "constants.h"

#define COMPUTE_TEXT_BYTES 640

/* A dispatch with its arguments; those that are not bound point to zeros. */
struct compute_dispatch {
    struct msl_kernel *kernel;
    uint32_t grid[3];
    uint32_t threads_per_group[3];
    void *buffers[MLXSHIM_BUFFER_ARGUMENTS];
    uint64_t threadgroup_lengths[MLXSHIM_THREADGROUP_ARGUMENTS];
};

struct compute_command {
    enum { COMPUTE_DISPATCH, COMPUTE_COPY, COMPUTE_FILL, COMPUTE_SIGNAL, COMPUTE_WAIT } kind;
    union {
        struct compute_dispatch *dispatch;
        struct {
            const void *from;
            void *to;
            uint64_t length;
        } copy;
        struct {
            void *bytes;
            uint64_t length;
            uint8_t byte;
        } fill;
        struct {
            struct compute_event event;
            uint64_t value;
        } event;
    };
};

struct compute_commands {
    STAILQ_ENTRY(compute_commands) link; /* in its queue */
    struct compute_command *commands;
    uint64_t count;
    uint64_t capacity;
    struct compute_object *objects; /* that the commands use */
    uint64_t object_count;
    uint64_t object_capacity;
    struct constants constants;
    compute_done *done;
    void *context;
    int32_t injected_failure; /* MLXSHIM_FAILURE_* that a test asks for */
    atomic_size_t references;
    pthread_mutex_t lock; /* guards the fields below */
    int32_t status; /* MLXSHIM_STATUS_*; 0 before the commit */
    int32_t failure;
    char text[COMPUTE_TEXT_BYTES];
    uint64_t start;
    uint64_t end;
};

/* Runs commands that were committed, on a thread of their queue. Sets their state and lets go of what they use. */
struct worker;
void compute_run(struct compute_commands *commands, struct worker **worker);

/* Frees the commands and releases their objects. */
void compute_commands_clear(struct compute_commands *commands);

#endif
