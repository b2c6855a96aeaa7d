package dev.mlxnative.internal.pool;

import dev.mlxnative.Zeroing;

/** Prepares the memory of a lease that has begun in its shard: clears it if the pool does, and reports the lease. */
final class LeaseStart {
    private final boolean clearsReused;
    private final PoolObserver observer;
    private final Retirement retirement;

    LeaseStart(Zeroing zeroing, PoolObserver observer, Retirement retirement) {
        this.clearsReused = zeroing == Zeroing.ALWAYS;
        this.observer = observer;
        this.retirement = retirement;
    }

    /**
     * Prepares a block, which becomes free again if that fails.
     *
     * @param hit whether the memory was used before
     */
    void prepare(Block block, boolean hit) {
        try {
            if (hit && clearsReused) {
                block.segment().fill((byte) 0);
            }
            observer.leased(block, hit);
        } catch (Throwable e) {
            retirement.free(block);
            throw e;
        }
    }
}
