package dev.mlxnative.internal.pool;

import dev.mlxnative.Zeroing;
import dev.mlxnative.internal.background.Log;
import dev.mlxnative.internal.device.DeviceMemory;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * Leases free memory, and takes it back from the system if its contents were offered. Memory is offered only while all
 * of its native buffer is in the free space, so every lease on such memory begins here.
 */
final class Reuse {
    private final boolean clearsTaken;
    private final AllocationTransactions allocations;
    private final Reclaimer reclaimer;
    private final PoolObserver observer;

    Reuse(Zeroing zeroing, AllocationTransactions allocations, Reclaimer reclaimer, PoolObserver observer) {
        // With ALWAYS, the start of the lease clears it.
        this.clearsTaken = zeroing == Zeroing.FRESH;
        this.allocations = allocations;
        this.reclaimer = reclaimer;
        this.observer = observer;
    }

    /** Leases free memory; null if none serves the request. The caller issues the lease. */
    @Nullable
    Block lease(Shard shard, long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        Block block = allocations.reuse(shard, byteLength, leaseArena, resettable);
        while (block != null && block.memory().isOffered() && !takeBack(block)) {
            block = allocations.reuse(shard, byteLength, leaseArena, resettable);
        }
        return block;
    }

    /** Takes the memory of a block back. If that fails, the memory is freed, and the block is never leased again. */
    private boolean takeBack(Block block) {
        DeviceMemory memory = block.memory();
        boolean done = false;
        try {
            if (memory.takeBack(clearsTaken)) {
                observer.purged(memory.capacity());
            }
            done = true;
        } catch (UnsupportedOperationException e) {
            Log.warn("a native buffer is freed that the system does not give back: " + memory.capacity() + " bytes", e);
        } finally {
            if (!done) {
                allocations.discard(block);
                reclaimer.run();
            }
        }
        return done;
    }
}
