package dev.mlxnative.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.MlxFence;
import dev.mlxnative.internal.device.DeviceMemory;
import dev.mlxnative.internal.device.DeviceMemoryList;
import org.jspecify.annotations.Nullable;

/**
 * The transactions on the {@link PoolState} by which the memory of ended leases becomes free or parked. They allocate
 * nothing, so they cannot fail. Blocks are passed as a chain, from the first one along {@link Block#next}. Thread-safe.
 */
final class ReleaseTransactions {
    /** What became of the memory of leaked leases: some is freed, the rest in quarantine. */
    static final class Disposal {
        private final DeviceMemoryList freed = new DeviceMemoryList();
        private int freedCount;
        private long freedBytes;
        private int quarantinedCount;
        private long quarantinedBytes;

        /** Native buffers that are freed. */
        int freedCount() {
            return freedCount;
        }

        /** Bytes of these. */
        long freedBytes() {
            return freedBytes;
        }

        /** Ranges that are quarantined until the rest of their native buffer is free. */
        int quarantinedCount() {
            return quarantinedCount;
        }

        /** Bytes of these. */
        long quarantinedBytes() {
            return quarantinedBytes;
        }
    }

    private final PoolState state;

    ReleaseTransactions(PoolState state) {
        this.state = state;
    }

    /** Ends a lease and frees its block; false if the lease had ended before. */
    boolean endAndFree(Block block, long generation) {
        state.lock.lock();
        try {
            boolean ended = state.caches.endAndRemove(block, generation);
            if (ended) {
                free(block);
                afterFreeing();
            }
            return ended;
        } finally {
            state.lock.unlock();
        }
    }

    /** Frees retiring blocks. */
    void freeRetiring(@Nullable Block first) {
        state.lock.lock();
        try {
            for (Block block = first; block != null; ) {
                Block next = unchain(block);
                state.caches.remove(block);
                free(block);
                block = next;
            }
            afterFreeing();
        } finally {
            state.lock.unlock();
        }
    }

    /** Frees parked blocks that were taken from {@link PendingReleases}, because their fence is complete. */
    void freeParked(@Nullable Block first) {
        state.lock.lock();
        try {
            for (Block block = first; block != null; ) {
                Block next = unchain(block);
                state.pending.completed(block);
                free(block);
                block = next;
            }
            afterFreeing();
        } finally {
            state.lock.unlock();
        }
    }

    /** Takes a block out of its chain, and returns the one after it. */
    private static @Nullable Block unchain(Block block) {
        Block next = block.next;
        block.next = null;
        return next;
    }

    @GuardedBy("state.lock")
    private void free(Block block) {
        if (block.waitsForUse || block.isInFlight()) {
            block.waitsForUse = false;
            state.pending.addInFlight(block);
            if (state.isClosed()) {
                state.backlog.watchFences();
            }
            return;
        }
        // A block above the cache limit is evicted at once, and not after all other memory was evicted in vain.
        state.free.free(block, block.capacity() > state.limits().cacheLimit());
    }

    @GuardedBy("state.lock")
    private void afterFreeing() {
        state.caches.stopIfCrowded();
        state.publishPressure();
        state.lock.signalChange();
        state.eviction.evictSurplus(state.isClosed(), TrimCause.LIMIT);
        state.planSweep();
        state.allowShardCaches();
        state.publishBacklog();
    }

    /**
     * Reserves room to park blocks with a fence, before their leases end: see {@link PendingReleases#reserve}.
     *
     * @param fence retained by the caller
     */
    void reserve(MlxFence fence) {
        state.pending.reserve(fence);
    }

    /** Ends a reservation. */
    void unreserve(MlxFence fence) {
        state.pending.unreserve(fence);
    }

    /** Parks retiring blocks with a fence, for which the caller has a {@linkplain #reserve reservation}. */
    void park(@Nullable Block first, MlxFence fence) {
        state.lock.lock();
        try {
            for (Block block = first; block != null; ) {
                Block next = unchain(block);
                state.caches.remove(block);
                state.pending.add(block, fence);
                block = next;
            }
            state.publishPressure();
            state.lock.signalChange();
            state.planSweep();
            if (state.isClosed()) {
                state.backlog.watchFences();
            }
            state.publishBacklog();
        } finally {
            state.lock.unlock();
        }
    }

    /**
     * Frees the memory of leaked leases whose native buffer nothing else uses, and quarantines the rest.
     *
     * @param disposal made by the caller, receives what has become of it
     */
    void dispose(@Nullable Block first, Disposal disposal) {
        state.lock.lock();
        try {
            for (Block block = first; block != null; block = block.next) {
                state.caches.remove(block);
                state.counters.leaked();
                DeviceMemory memory = state.free.quarantine(block);
                if (memory != null) {
                    state.budget.freeing(memory.capacity());
                    disposal.freed.add(memory);
                }
            }
            state.publishPressure();
            // A range that was quarantined above may be freed, because a later block was the last of its native buffer.
            for (Block block = first; block != null; ) {
                Block next = unchain(block);
                if (!disposal.freed.contains(block.memory())) {
                    disposal.quarantinedCount++;
                    disposal.quarantinedBytes += block.capacity();
                }
                block = next;
            }
            disposal.freedCount = disposal.freed.count();
            disposal.freedBytes = disposal.freed.bytes();
            for (DeviceMemory memory = disposal.freed.poll(); memory != null; memory = disposal.freed.poll()) {
                state.backlog.free(memory, TrimCause.UNREPORTED);
            }
            state.publishBacklog();
        } finally {
            state.lock.unlock();
        }
    }
}
