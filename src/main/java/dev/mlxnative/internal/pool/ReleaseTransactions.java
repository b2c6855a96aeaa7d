package dev.mlxnative.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.MlxFence;
import dev.mlxnative.internal.device.DeviceMemory;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The transactions on the {@link PoolState} by which the memory of ended leases becomes free or parked. Thread-safe.
 */
final class ReleaseTransactions {
    /**
     * What became of the memory of leaked leases: {@code deferred} frees native buffers, other ranges are quarantined.
     */
    record Disposal(Deferred deferred, int quarantinedCount, long quarantinedBytes) {}

    private final PoolState state;

    ReleaseTransactions(PoolState state) {
        this.state = state;
    }

    /** Ends a lease and frees its block; null if the lease had ended before. */
    @Nullable
    Deferred endAndFree(Block block, long generation) {
        state.lock.lock();
        try {
            if (!state.caches.endAndRemove(block, generation)) {
                return null;
            }
            free(block);
            return afterFreeing();
        } finally {
            state.lock.unlock();
        }
    }

    /** Frees retiring blocks. */
    Deferred freeRetiring(List<Block> blocks) {
        state.lock.lock();
        try {
            for (Block block : blocks) {
                state.caches.remove(block);
                free(block);
            }
            return afterFreeing();
        } finally {
            state.lock.unlock();
        }
    }

    /** Frees parked blocks that were taken from {@link PendingReleases}, because their fence is complete. */
    Deferred freeParked(List<Block> blocks) {
        state.lock.lock();
        try {
            for (Block block : blocks) {
                state.pending.completed(block);
                free(block);
            }
            return afterFreeing();
        } finally {
            state.lock.unlock();
        }
    }

    @GuardedBy("state.lock")
    private void free(Block block) {
        // A block above the cache limit is evicted at once, and not after all other memory was evicted in vain.
        state.free.free(block, block.capacity() > state.limits().cacheLimit());
    }

    @GuardedBy("state.lock")
    private Deferred afterFreeing() {
        state.caches.stopIfCrowded();
        state.publishPressure();
        state.signalChange();
        List<DeviceMemory> surplus = state.eviction.evictSurplus(state.isClosed());
        Deferred.Sweep sweep = state.planSweep();
        state.allowShardCaches();
        return Deferred.of(surplus, TrimCause.LIMIT, sweep);
    }

    /** Parks retiring blocks with a fence, which the caller has retained. */
    Deferred park(List<Block> blocks, MlxFence fence) {
        state.lock.lock();
        try {
            for (Block block : blocks) {
                state.caches.remove(block);
                state.pending.add(block, fence);
            }
            state.publishPressure();
            state.signalChange();
            return new Deferred(List.of(), null, state.planSweep(), state.isClosed());
        } finally {
            state.lock.unlock();
        }
    }

    /** Frees the memory of leaked leases whose native buffer nothing else uses, and quarantines the rest. */
    Disposal dispose(List<Block> blocks) {
        state.lock.lock();
        try {
            List<DeviceMemory> freeing = new ArrayList<>(blocks.size());
            for (Block block : blocks) {
                state.caches.remove(block);
                state.counters.leaked();
                DeviceMemory memory = state.free.quarantine(block);
                if (memory != null) {
                    state.budget.freeing(memory.capacity());
                    freeing.add(memory);
                }
            }
            state.publishPressure();
            // A range that was quarantined above may be freed, because a later block was the last of its chunk.
            int quarantinedCount = 0;
            long quarantinedBytes = 0;
            for (Block block : blocks) {
                if (!freeing.contains(block.memory())) {
                    quarantinedCount++;
                    quarantinedBytes += block.capacity();
                }
            }
            return new Disposal(new Deferred(freeing, null, null, false), quarantinedCount, quarantinedBytes);
        } finally {
            state.lock.unlock();
        }
    }
}
