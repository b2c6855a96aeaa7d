/*
 * Queues. Each has a thread, so that a queue whose commands wait for an event holds up no other. The thread ends once
 * its queue is released and empty.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "compute.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "compute_commands.h"
#include "faults.h"
#include "threads.h"

#if defined(__linux__)
#include "workers.h"
#endif

struct compute_queue {
    atomic_size_t references;
    pthread_mutex_t lock; /* guards the fields below */
    pthread_cond_t changed;
    STAILQ_HEAD(, compute_commands) committed; /* that do not run yet */
    bool running;                              /* whether commands run that are not complete */
    bool closing;                              /* the thread ends when there are no commands left */
    bool detached;                             /* the thread frees the queue, not the one that joins it */
    pthread_t thread;
};

static void queue_free(struct compute_queue *queue) {
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

static struct compute_commands *take(struct compute_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    while (STAILQ_EMPTY(&queue->committed) && !queue->closing) {
        pthread_cond_wait(&queue->changed, &queue->lock);
    }
    struct compute_commands *commands = STAILQ_FIRST(&queue->committed);
    if (commands != NULL) {
        STAILQ_REMOVE_HEAD(&queue->committed, link);
        queue->running = true;
    }
    pthread_mutex_unlock(&queue->lock);
    return commands;
}

/* By the time of `done`, all that the commands used is released, and releasing the queue waits for its thread. */
static void finish(struct compute_queue *queue, struct compute_commands *commands) {
    pthread_mutex_lock(&queue->lock);
    queue->running = false;
    pthread_mutex_unlock(&queue->lock);
    if (commands->done != NULL) {
        commands->done(commands->context);
    }
    compute_commands_release(commands);
}

static void run_queue(void *argument) {
    struct compute_queue *queue = argument;
    struct worker *worker = NULL;
    struct compute_commands *commands;
    while ((commands = take(queue)) != NULL) {
        faults_wait_while_held();
        compute_run(commands, &worker);
        finish(queue, commands);
    }
#if defined(__linux__)
    worker_free(worker);
#endif
    pthread_mutex_lock(&queue->lock);
    bool detached = queue->detached;
    pthread_mutex_unlock(&queue->lock);
    if (detached) {
        queue_free(queue);
    }
}

struct compute_queue *compute_queue_new(void) {
    struct compute_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL) {
        return NULL;
    }
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
    STAILQ_INIT(&queue->committed);
    atomic_init(&queue->references, 1);
    if (!thread_start(&queue->thread, run_queue, queue)) {
        queue_free(queue);
        return NULL;
    }
    return queue;
}

void compute_queue_retain(struct compute_queue *queue) {
    atomic_fetch_add(&queue->references, 1);
}

void compute_queue_release(struct compute_queue *queue) {
    if (queue == NULL || atomic_fetch_sub(&queue->references, 1) != 1) {
        return;
    }
    pthread_mutex_lock(&queue->lock);
    pthread_t thread = queue->thread;
    /* The wait for the thread to end is short where it has nothing left to run. */
    bool busy = queue->running || !STAILQ_EMPTY(&queue->committed);
    bool joins = !busy && !pthread_equal(thread, pthread_self());
    queue->closing = true;
    queue->detached = !joins;
    if (!joins) {
        pthread_detach(thread);
    }
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    if (joins) {
        pthread_join(thread, NULL);
        queue_free(queue);
    }
}

void compute_commit(struct compute_queue *queue, struct compute_commands *commands, compute_done *done, void *context) {
    compute_commands_retain(commands);
    commands->done = done;
    commands->context = context;
    commands->injected_failure = faults_command_buffer_failure();
    pthread_mutex_lock(&commands->lock);
    commands->status = MLXSHIM_STATUS_COMMITTED;
    pthread_mutex_unlock(&commands->lock);
    pthread_mutex_lock(&queue->lock);
    STAILQ_INSERT_TAIL(&queue->committed, commands, link);
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}
