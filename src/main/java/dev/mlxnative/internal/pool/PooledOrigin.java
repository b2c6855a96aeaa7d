package dev.mlxnative.internal.pool;

import dev.mlxnative.MlxFence;
import dev.mlxnative.internal.device.NativeDevice;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * The origin of leases outside scopes. All of a pool's leases share one; in a checked pool each lease has its own, for
 * its arena.
 */
public final class PooledOrigin implements LeaseOrigin {
    private final PoolEngine pool;
    private final @Nullable Arena leaseArena;
    private final boolean isScratch;

    /** An origin of leases of a pool; {@code leaseArena} belongs to a single lease, if it is not null. */
    public PooledOrigin(PoolEngine pool, @Nullable Arena leaseArena) {
        this(pool, leaseArena, false);
    }

    private PooledOrigin(PoolEngine pool, @Nullable Arena leaseArena, boolean isScratch) {
        this.pool = pool;
        this.leaseArena = leaseArena;
        this.isScratch = isScratch;
    }

    /** An origin of scratch memory. */
    public static PooledOrigin scratch(PoolEngine pool) {
        return new PooledOrigin(pool, null, true);
    }

    @Override
    public boolean isScratch() {
        return isScratch;
    }

    @Override
    public PoolEngine pool() {
        return pool;
    }

    @Override
    public boolean isOf(NativeDevice device) {
        return pool.isOf(device);
    }

    @Override
    public @Nullable Arena arena() {
        return leaseArena;
    }

    @Override
    public @Nullable Arena leaseArena() {
        return leaseArena;
    }

    @Override
    public boolean end(Block block, long generation, @Nullable MlxFence fence) {
        return pool.end(leaseArena, block, generation, fence);
    }
}
