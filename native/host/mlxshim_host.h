/* What the files of the host shim share: its objects, and how they report failures. */
#ifndef MLXSHIM_HOST_H
#define MLXSHIM_HOST_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "faults.h"
#include "live_objects.h"
#include "mlxshim.h"
#include "pages.h"

#define MESSAGE_SIZE 256

struct mlxshim_device {
    uint64_t physical_memory;
};

struct mlxshim_buffer {
    void *pages;
    uint64_t length;
    struct page_run run; /* the pages, or empty if the caller owns them */
    char *label;
    pthread_mutex_t lock; /* guards label, purgeable_state and references */
    int32_t storage_mode;
    int32_t purgeable_state;
    uint64_t references; /* the handle's and those of command buffers */
};

struct mlxshim_event {
    pthread_mutex_t lock;
    pthread_cond_t raised;
    uint64_t value;
    uint64_t references; /* the handle's and those of command buffers */
};

/* Creates a zeroed handle of a kind that owns no bytes. Returns NULL if a fault forbids it or memory runs out. */
void *handle_new(enum object_kind kind, size_t size);
void handle_free(enum object_kind kind, void *handle);

/* Copies as many whole characters of `source` as fit. Returns the length of all of `source`. */
uint64_t copy_text(const char *source, char *text, uint64_t text_capacity);

/* Whether `text` is well-formed UTF-8 by table 3-7 of the Unicode standard. */
bool is_utf8(const char *text);

/* Copies the reason for a failure, and returns `status`. */
int32_t fail(int32_t status, const char *reason, char *message, uint64_t message_capacity);

/*
 * Writes the log of a call, which malloc returned, or NULL if there is nothing to say. Returns `status`. There is no
 * log either if memory runs out, or if `out_log` is NULL.
 */
int32_t finish_with_log(int32_t status, char *log, mlxshim_text_t *out_log);
int32_t fail_with_log(int32_t status, const char *reason, mlxshim_text_t *out_log);

void buffer_retain(mlxshim_buffer_t buffer);

void event_retain(mlxshim_event_t event);

/* Raises the event's value unless it is higher. */
void event_raise(mlxshim_event_t event, uint64_t value);

/* The same, and releases the event, both before a thread that waits for the value sees it. */
void event_raise_and_release(mlxshim_event_t event, uint64_t value);

#endif
