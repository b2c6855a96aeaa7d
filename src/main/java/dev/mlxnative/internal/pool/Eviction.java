package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.device.DeviceMemory;

/**
 * Moves native buffers from the free space to the {@link Backlog}, in the order in which the free space evicts them,
 * and counts them as being freed. Nothing here allocates or fails. Not thread-safe; the pool's lock guards it.
 */
final class Eviction {
    private final FreeSpace free;
    private final MemoryBudget budget;
    private final PoolCounters counters;
    private final Backlog backlog;

    Eviction(FreeSpace free, MemoryBudget budget, PoolCounters counters, Backlog backlog) {
        this.free = free;
        this.budget = budget;
        this.counters = counters;
        this.backlog = backlog;
    }

    /** Evicts what the limits do not allow; everything if {@code all} is true. */
    void evictSurplus(boolean all, TrimCause cause) {
        while (free.evictableCount() > 0 && isSurplus(all)) {
            evict(cause);
        }
    }

    private boolean isSurplus(boolean all) {
        return all || free.bytes() > budget.limits().cacheLimit() || budget.isExceeded() || free.hasDrained();
    }

    /** Evicts until a new buffer fits once all that is being freed is freed; returns whether it evicted anything. */
    boolean evictUntilFits(long capacity) {
        boolean evicted = false;
        while (free.evictableCount() > 0 && !budget.fitsWithout(0, 0, capacity)) {
            evict(TrimCause.LIMIT);
            evicted = true;
        }
        return evicted;
    }

    /** Evicts until at most this many bytes are free; returns the bytes that it evicted. */
    long evictDownTo(long maxFreeBytes, TrimCause cause) {
        long bytes = 0;
        while (free.evictableCount() > 0 && free.bytes() > maxFreeBytes) {
            bytes += evict(cause);
        }
        return bytes;
    }

    /** Evicts what has been free since this count of {@link FreeSpace#frees}, or longer. */
    void evictUnusedSince(long frees) {
        while (free.evictableCount() > 0 && free.evictableSince() <= frees) {
            evict(TrimCause.IDLE);
        }
    }

    /**
     * Evicts the buffers that have to be freed before a new one for the request is allocated; returns whether there
     * were any.
     *
     * @param requests that the pool has had
     */
    boolean evictObstacles(SizeRounding rounding, long byteLength, boolean underPressure, long requests) {
        boolean evicted = false;
        DeviceMemory memory = free.evictObstacle(rounding, byteLength, underPressure, requests);
        while (memory != null) {
            moveToBacklog(memory, TrimCause.REPLACED);
            evicted = true;
            memory = free.evictObstacle(rounding, byteLength, underPressure, requests);
        }
        return evicted;
    }

    private long evict(TrimCause cause) {
        DeviceMemory memory = free.evict();
        if (memory == null) {
            throw new AssertionError("the free space counts " + free.evictableCount() + " buffers and evicts none");
        }
        return moveToBacklog(memory, cause);
    }

    private long moveToBacklog(DeviceMemory memory, TrimCause cause) {
        long capacity = memory.capacity();
        budget.freeing(capacity);
        counters.trimmed(capacity);
        backlog.free(memory, cause);
        return capacity;
    }
}
