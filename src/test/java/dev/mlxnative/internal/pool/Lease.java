package dev.mlxnative.internal.pool;

import dev.mlxnative.MlxFence;

/** A lease of a pool, as a buffer of the API holds it. */
record Lease(PoolEngine pool, Block block, long generation) {
    /** Leases memory outside scopes. */
    static Lease of(PoolEngine pool, long byteLength) {
        Block block = pool.acquire(byteLength, null, true);
        return new Lease(pool, block, block.issue());
    }

    /** Ends the lease; false if it had ended before. */
    boolean end() {
        return pool.end(null, block, generation, null);
    }

    /** Ends the lease; its memory waits for the fence. */
    boolean endWith(MlxFence fence) {
        return pool.end(null, block, generation, fence);
    }

    long capacity() {
        return block.capacity();
    }

    boolean isActive() {
        return block.isActive(generation);
    }
}
