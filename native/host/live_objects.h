/*
 * Counts of the live objects behind the ABI, by kind, and of the bytes that they own. An object is live from its
 * creation until it is freed. The host shim and the stand-in for Metal share this code, so that one test suite can read
 * the counts of both.
 */
#ifndef LIVE_OBJECTS_H
#define LIVE_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

enum object_kind {
    DEVICES,
    BUFFERS,
    EVENTS,
    RESIDENCY_SETS,
    TEXTS,
    LIBRARIES,
    PIPELINES,
    QUEUES,
    COMMAND_BUFFERS,
    OBJECT_KINDS
};

/*
 * Counts one more live object, which owns `bytes`. Returns false, and counts nothing, if all live objects together
 * would then own more than `byte_limit`.
 */
bool live_objects_add(enum object_kind kind, uint64_t bytes, uint64_t byte_limit);

/* Counts one live object less. `bytes` is the number that it was added with. */
void live_objects_remove(enum object_kind kind, uint64_t bytes);

uint64_t live_objects_count(enum object_kind kind);

/* The bytes that all live objects own together. */
uint64_t live_objects_bytes(void);

#endif
