package dev.mlxnative.internal.pool;

import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * A reference to one lease that does not keep its buffer reachable.
 *
 * @param generation of the lease in its block
 * @param leaseArena the arena of the lease alone, if it has one
 */
record LeaseRef(Block block, long generation, @Nullable Arena leaseArena, long requestedBytes)
        implements LeakDetector.Leases {
    /** The lease that a block has at this moment, if it has one. */
    static LeaseRef current(Block block) {
        return new LeaseRef(block, block.generation(), block.leaseArena, block.requestedBytes);
    }

    /**
     * Ends the lease; the caller then retires the block. False if the lease had ended before.
     *
     * @throws IllegalStateException if a native call uses a segment that ends with the lease
     */
    boolean tryEnd() {
        return Block.isLease(generation) && Block.closeLeaseArena(leaseArena) && endInShard();
    }

    private boolean endInShard() {
        Shard shard = block.shard;
        return shard != null && shard.end(block, generation, false) == LeaseEnd.RETIRING;
    }

    @Override
    public @Nullable Block end() {
        return tryEnd() ? block : null;
    }

    @Override
    public void complete() {}

    @Override
    public boolean areActive() {
        return block.isActive(generation);
    }

    @Override
    public boolean endWithReset() {
        return true;
    }

    @Override
    public String toString() {
        return "a buffer of " + requestedBytes + " bytes";
    }
}
