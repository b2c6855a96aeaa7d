/* The device of a test of compute, and objects of it. */
#ifndef COMPUTE_OBJECTS_H
#define COMPUTE_OBJECTS_H

#include "check.h"
#include "mlxshim.h"

/* The most command buffers of a queue. */
#define MAX_COMMAND_BUFFERS 64

static mlxshim_device_t device;

static mlxshim_buffer_t new_buffer(uint64_t length) {
    mlxshim_buffer_t buffer = NULL;
    CHECK(mlxshim_buffer_create(device, length, MLXSHIM_STORAGE_SHARED, MLXSHIM_CPU_CACHE_DEFAULT, &buffer, NULL, 0) ==
          MLXSHIM_OK);
    return buffer;
}

static mlxshim_event_t new_event(void) {
    mlxshim_event_t event = NULL;
    CHECK(mlxshim_event_create(device, &event, NULL, 0) == MLXSHIM_OK);
    return event;
}

static mlxshim_queue_t new_queue(void) {
    mlxshim_queue_t queue = NULL;
    CHECK(mlxshim_queue_create(device, "queue", MAX_COMMAND_BUFFERS, &queue, NULL, 0) == MLXSHIM_OK);
    return queue;
}

#endif
