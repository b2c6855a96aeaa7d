package dev.mlxnative.bench.generate;

/**
 * An allocation or its free.
 *
 * @param thread the number of the thread, from 0
 * @param micros the time since the start of the program, in microseconds
 * @param isAllocation whether the event is an allocation, or else a free
 * @param pointer identifies the buffer; no other buffer of the program has the same
 * @param bytes the size of the buffer
 */
public record Event(int thread, long micros, boolean isAllocation, long pointer, long bytes) {}
