package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.LeakDetection;
import dev.mlxnative.Sizing;
import dev.mlxnative.Zeroing;
import org.junit.jupiter.api.Test;

class ScopeLeasesTest {
    private final FakeMemorySource source = new FakeMemorySource();
    private final PoolEngine pool = new PoolEngine(new PoolConfig(
            "pool",
            source,
            Sizing.POWER_OF_TWO,
            256,
            new LimitSettings(1L << 30, 1L << 30, 1000, 32L << 20, 0, 0),
            Zeroing.FRESH,
            LeakDetection.OFF,
            false,
            null));

    /** The leak detector may take a scope for dropped while it is being closed. It must not end later leases then. */
    @Test
    void aScopeEndsOnce() {
        ScopeLeases leases = pool.newScopeLeases();
        Block block = pool.acquire(1000, null, false);
        block.issue();
        leases.reserveRoom();
        leases.add(block);
        assertThat(leases.end()).containsExactly(block);
        pool.abandon(block);
        Block next = pool.acquire(1000, null, false);
        long generation = next.issue();
        assertThat(next).isSameAs(block);
        assertThat(leases.end()).isEmpty();
        leases.endAll();
        assertThat(next.isActive(generation)).isTrue();
    }
}
