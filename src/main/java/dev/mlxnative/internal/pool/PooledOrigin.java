package dev.mlxnative.internal.pool;

import dev.mlxnative.MlxFence;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * The origin of leases outside scopes. All of a pool's leases share one; in a checked pool each lease has its own, for
 * its arena.
 */
public record PooledOrigin(PoolEngine pool, @Nullable Arena leaseArena) implements LeaseOrigin {
    @Override
    public @Nullable Arena arena() {
        return leaseArena;
    }

    @Override
    public boolean end(Block block, long generation, @Nullable MlxFence fence) {
        return pool.end(leaseArena, block, generation, fence);
    }
}
