package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.device.DeviceMemory;
import org.jspecify.annotations.Nullable;

/**
 * Moves native buffers from the free space to the {@link Backlog}, in the order in which the free space evicts them,
 * and counts them as being freed. Nothing here allocates or fails. Not thread-safe; the pool's lock guards it.
 */
final class Eviction {
    /**
     * The requests that pay for one eviction of idle memory. To allocate it again costs some 20 µs: spread over so many
     * requests, that is about 40 ns for each, the price of a hit, and lowers the hit rate by at most 0.2 %.
     */
    static final int REQUESTS_PER_EVICTION = 512;

    private final FreeSpace free;
    private final MemoryBudget budget;
    private final PoolCounters counters;
    private final Backlog backlog;
    /** The evictions that {@link #evictIdle} did for {@link FreeSpace#idleBytesWith}. */
    private long paidEvictions;

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
     * Evicts the buffers that must be freed before a new one for the request is allocated; returns whether there were
     * any.
     */
    boolean evictObstacles(SizeRounding rounding, long byteLength) {
        boolean evicted = false;
        while (free.evictableCount() > 0 && free.isObstructed(rounding, byteLength)) {
            evict(free.evictObstacle(), TrimCause.REPLACED);
            evicted = true;
        }
        return evicted;
    }

    /** Whether {@link #evictIdle} would evict unused memory, if there is any. */
    boolean wantsEviction(long capacity, long requests) {
        return free.excessWith(capacity) > 0 || (free.idleBytesWith(capacity) > 0 && isPaid(requests));
    }

    private boolean isPaid(long requests) {
        return paidEvictions < requests / REQUESTS_PER_EVICTION;
    }

    /**
     * Evicts unused memory before a new buffer of this capacity is allocated: what exceeds the bound of the free space,
     * and what is more than was ever leased at once as far as the requests pay for it. Returns whether there was any.
     *
     * @param requests the requests that the pool has had
     */
    boolean evictIdle(long capacity, long requests) {
        boolean evicted = false;
        while (wantsEviction(capacity, requests)) {
            boolean isPaid = free.excessWith(capacity) <= 0;
            DeviceMemory memory = free.evictLargest();
            if (memory == null) {
                break;
            }
            paidEvictions += isPaid ? 1 : 0;
            discard(memory, TrimCause.REPLACED);
            evicted = true;
        }
        return evicted;
    }

    private long evict(TrimCause cause) {
        return evict(free.evict(), cause);
    }

    private long evict(@Nullable DeviceMemory memory, TrimCause cause) {
        if (memory == null) {
            throw new AssertionError("the free space counts " + free.evictableCount() + " buffers and evicts none");
        }
        return discard(memory, cause);
    }

    private long discard(DeviceMemory memory, TrimCause cause) {
        long capacity = memory.capacity();
        budget.freeing(capacity);
        counters.trimmed(capacity);
        backlog.free(memory, cause);
        return capacity;
    }
}
