/*
 * Queues that run kernels on threads of this process. The host shim puts mlxshim.h's command streams on them, and the
 * stand-in for Metal what is encoded into its encoders.
 *
 * A command buffer is filled by one thread, then committed, and after that belongs to its queue: command buffers of a
 * queue run in the order in which they were committed, those of different queues at the same time.
 */
#ifndef MLXSHIM_COMPUTE_H
#define MLXSHIM_COMPUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "msl/msl.h"

struct compute_queue;
struct compute_commands; /* a command buffer */

/* Something that commands use, and that is kept alive until they are complete. */
struct compute_object {
    void *object;
    void (*retain)(void *object);
    void (*release)(void *object);
};

/* Bytes of a buffer. */
struct compute_range {
    struct compute_object owner;
    void *bytes;
    uint64_t length;
};

/* An event that commands wait for or signal. */
struct compute_event {
    struct compute_object owner;
    void (*signal)(void *object, uint64_t value);
    /* Waits for the value; returns false after `millis`. */
    bool (*wait)(void *object, uint64_t value, uint64_t millis);
};

/* The arguments of a dispatch, by index. What is not bound has a NULL in `bytes`, or a length of 0. */
struct compute_arguments {
    struct compute_range buffers[MLXSHIM_BUFFER_ARGUMENTS];
    /* Where `bytes` is not NULL, the buffer is these bytes, which are copied: `length` of them. */
    struct {
        const void *bytes;
        uint64_t length;
    } constants[MLXSHIM_BUFFER_ARGUMENTS];
    uint64_t threadgroup_lengths[MLXSHIM_THREADGROUP_ARGUMENTS];
};

struct compute_queue *compute_queue_new(void); /* NULL if memory or threads run out */
void compute_queue_retain(struct compute_queue *queue);
void compute_queue_release(struct compute_queue *queue);

struct compute_commands *compute_commands_new(void); /* NULL if memory runs out */
void compute_commands_retain(struct compute_commands *commands);
void compute_commands_release(struct compute_commands *commands);

/* Each returns false, and adds nothing, if memory runs out. Arguments are valid: the caller checks. */
bool compute_dispatch(struct compute_commands *commands, struct msl_kernel *kernel,
                      const struct compute_arguments *arguments, const uint64_t grid_threads[3],
                      const uint64_t threads_per_group[3]);
bool compute_copy(struct compute_commands *commands, struct compute_range from, struct compute_range to);
bool compute_fill(struct compute_commands *commands, struct compute_range range, uint8_t byte);
bool compute_signal(struct compute_commands *commands, struct compute_event event, uint64_t value);
bool compute_wait(struct compute_commands *commands, struct compute_event event, uint64_t value);

/* Called on a thread of the queue once the commands are complete or have failed, after their state is set. */
typedef void compute_done(void *context);

/* Hands the commands to the queue. Cannot fail. `done` may be NULL. */
void compute_commit(struct compute_queue *queue, struct compute_commands *commands, compute_done *done, void *context);

/* MLXSHIM_STATUS_*. */
int32_t compute_status(struct compute_commands *commands);

/* MLXSHIM_FAILURE_* and what happened, a text that lives as long as the commands. */
int32_t compute_failure(struct compute_commands *commands, const char **out_text);

/* Nanoseconds of CLOCK_MONOTONIC; 0 while it has not begun or ended. */
void compute_times(struct compute_commands *commands, uint64_t *out_start, uint64_t *out_end);

#endif
