package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.Sizing;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ReleaseTransactionsTest {
    private static final long IDLE_NANOS = 1000;

    private final FakeFence fence = new FakeFence();
    private StateSetup pool = new StateSetup(new PoolSetup());

    @AfterEach
    void noTransactionLeavesTheLockLocked() {
        pool.requireUnlocked();
    }

    private void limitCache(long bytes) {
        pool = new StateSetup(new PoolSetup().limits(limits -> limits.withCacheLimit(bytes)));
    }

    private void limitMemory(long bytes) {
        pool = new StateSetup(new PoolSetup().limits(limits -> limits.withMemoryLimit(bytes)));
    }

    private void sweepAfter(long idleNanos) {
        pool = new StateSetup(new PoolSetup().limits(limits -> limits.withTrimIdleNanos(idleNanos)));
    }

    private Deferred park(Block block) {
        return pool.releases.park(List.of(pool.retire(block)), fence);
    }

    private boolean publishesPressure() {
        return pool.state.cachedCapacity(2 * PAGE + 1) == SizeRounding.NONE;
    }

    private boolean mayCache() {
        Block block = pool.lease(256);
        LeaseEnd end = pool.shard.end(block, block.generation(), true);
        if (end == LeaseEnd.RETIRING) {
            pool.shard.remove(block);
        }
        return end == LeaseEnd.CACHED;
    }

    @Test
    void theMemoryOfAnEndedLeaseIsFree() {
        Block block = pool.lease(1024);
        assertThat(pool.free(block)).isEqualTo(Deferred.NOTHING);
        assertThat(pool.stats())
                .returns(0, stats -> stats.activeCount())
                .returns(1, stats -> stats.cachedCount())
                .returns(1024L, stats -> stats.cachedBytes());
    }

    @Test
    void aLeaseThatHasEndedIsNotFreedAgain() {
        Block block = pool.lease(1024);
        long generation = block.generation();
        pool.free(block);
        assertThat(pool.releases.endAndFree(block, generation)).isNull();
        assertThat(pool.stats().cachedCount()).isEqualTo(1);
    }

    @Test
    void retiringBlocksBecomeFree() {
        Block first = pool.retire(pool.lease(1024));
        Block second = pool.retire(pool.lease(2048));
        assertThat(pool.stats().activeCount()).isEqualTo(2);
        pool.releases.freeRetiring(List.of(first, second));
        assertThat(pool.stats()).returns(0, stats -> stats.activeCount()).returns(3072L, stats -> stats.cachedBytes());
    }

    @Test
    void blocksAreParkedWithAFenceAndBecomeFree() {
        Block first = pool.retire(pool.lease(1024));
        Block second = pool.retire(pool.lease(2048));
        assertThat(pool.releases.park(List.of(first, second), fence))
                .isEqualTo(new Deferred(List.of(), null, null, false));
        assertThat(pool.stats())
                .returns(0, stats -> stats.activeCount())
                .returns(2, stats -> stats.parkedCount())
                .returns(3072L, stats -> stats.parkedBytes());
        List<Block> taken = pool.state.pending.take(fence);
        assertThat(taken).containsExactly(first, second);
        pool.releases.freeParked(taken);
        assertThat(pool.stats())
                .returns(0, stats -> stats.parkedCount())
                .returns(0L, stats -> stats.parkedBytes())
                .returns(3072L, stats -> stats.cachedBytes());
    }

    @Test
    void freeMemoryAboveTheCacheLimitIsEvicted() {
        limitCache(4 * PAGE);
        Block first = pool.lease(2 * PAGE);
        Block second = pool.lease(2 * PAGE);
        Block third = pool.lease(PAGE);
        assertThat(pool.free(first).freeing()).isEmpty();
        assertThat(pool.free(second).freeing()).isEmpty();
        assertThat(pool.free(third)).isEqualTo(new Deferred(List.of(first.memory()), TrimCause.LIMIT, null, false));
    }

    @Test
    void aBlockAboveTheCacheLimitIsEvictedBeforeAllOtherMemory() {
        limitCache(4 * PAGE);
        Block small = pool.lease(PAGE);
        Block large = pool.lease(8 * PAGE);
        pool.free(small);
        assertThat(pool.free(large).freeing()).containsExactly(large.memory());
    }

    @Test
    void aBlockOfExactlyTheCacheLimitReplacesOlderMemory() {
        limitCache(4 * PAGE);
        Block small = pool.lease(PAGE);
        Block large = pool.lease(4 * PAGE);
        pool.free(small);
        assertThat(pool.free(large).freeing()).containsExactly(small.memory());
    }

    @Test
    void aClosedPoolKeepsNoFreeMemory() {
        Block block = pool.lease(1024);
        Block parked = pool.lease(2048);
        Block other = pool.lease(4096);
        park(parked);
        pool.state.close();
        assertThat(pool.free(block).freeing()).containsExactly(block.memory());
        pool.retire(other);
        assertThat(pool.releases.freeRetiring(List.of(other)).freeing()).containsExactly(other.memory());
        assertThat(pool.releases.freeParked(pool.state.pending.take(fence)).freeing())
                .containsExactly(parked.memory());
    }

    @Test
    void theParkedMemoryOfAClosedPoolIsWatchedAndSweptEverySecond() {
        Block block = pool.lease(1024);
        assertThat(park(pool.lease(1024)).watchFences()).isFalse();
        pool.state.pending.take(fence);
        pool.state.close();
        Deferred deferred = park(block);
        assertThat(deferred.watchFences()).isTrue();
        assertThat(deferred.sweep())
                .isNotNull()
                .extracting(Deferred.Sweep::delayNanos)
                .isEqualTo(1_000_000_000L);
    }

    @Test
    void freeAndParkedMemoryIsSweptAfterTheIdleTime() {
        sweepAfter(IDLE_NANOS);
        Block first = pool.lease(1024);
        Block second = pool.lease(1024);
        assertThat(pool.free(first).sweep())
                .isNotNull()
                .extracting(Deferred.Sweep::delayNanos)
                .isEqualTo(IDLE_NANOS);
        assertThat(pool.free(second).sweep()).as("a sweep is planned").isNull();
        sweepAfter(IDLE_NANOS);
        assertThat(park(pool.lease(1024)).sweep()).isNotNull();
    }

    @Test
    void theShardsMayCacheOnceMemoryIsFree() {
        assertThat(mayCache()).isFalse();
        pool.free(pool.lease(1024));
        assertThat(mayCache()).isTrue();
        sweepAfter(IDLE_NANOS);
        pool.free(pool.lease(1024));
        assertThat(mayCache()).as("a sweep will find what they cache").isTrue();
    }

    @Test
    void theShardsStopCachingWhenFreeMemoryIsCrowded() {
        limitCache(4 * PAGE);
        Block large = pool.lease(2 * PAGE);
        pool.free(pool.lease(1024));
        assertThat(mayCache()).isTrue();
        pool.free(large);
        assertThat(mayCache()).isFalse();
    }

    @Test
    void everyReleaseIsAChangeThatCouldHelpARequest() {
        Block freed = pool.lease(1024);
        Block retired = pool.retire(pool.lease(1024));
        Block parked = pool.lease(1024);
        long changes = pool.allocations.changes();
        pool.free(freed);
        assertThat(pool.allocations.changes()).isEqualTo(changes + 1);
        pool.releases.freeRetiring(List.of(retired));
        assertThat(pool.allocations.changes()).isEqualTo(changes + 2);
        park(parked);
        assertThat(pool.allocations.changes()).isEqualTo(changes + 3);
        pool.releases.freeParked(pool.state.pending.take(fence));
        assertThat(pool.allocations.changes()).isEqualTo(changes + 4);
    }

    @Test
    void aReleaseCanEndThePressure() {
        limitMemory(8 * PAGE);
        Block block = pool.lease(5 * PAGE);
        assertThat(publishesPressure()).isTrue();
        pool.free(block);
        assertThat(publishesPressure()).isFalse();
        Block next = pool.lease(5 * PAGE);
        assertThat(publishesPressure()).isTrue();
        park(next);
        assertThat(publishesPressure()).isFalse();
    }

    @Test
    void theMemoryOfALeakedLeaseIsFreedAndNotReused() {
        limitMemory(8 * PAGE);
        Block leaked = pool.retire(pool.lease(5 * PAGE));
        ReleaseTransactions.Disposal disposal = pool.releases.dispose(List.of(leaked));
        assertThat(disposal.deferred()).isEqualTo(new Deferred(List.of(leaked.memory()), null, null, false));
        assertThat(disposal.quarantinedCount()).isZero();
        assertThat(disposal.quarantinedBytes()).isZero();
        assertThat(publishesPressure()).isFalse();
        assertThat(pool.state.leakedCount()).isEqualTo(1);
        assertThat(pool.allocations.deny(0).freeingBytes())
                .as("counted as being freed")
                .isEqualTo(5 * PAGE);
        pool.carryOut(disposal.deferred());
        assertThat(pool.allocations.deny(0).freeingBytes()).isZero();
        assertThat(pool.stats().footprintBytes()).isZero();
    }

    @Test
    void theMemoryOfALeakedLeaseIsQuarantinedIfOthersShareItsBuffer() {
        pool = new StateSetup(new PoolSetup().sizing(Sizing.COMPACT));
        pool.free(pool.lease(PAGE));
        Block first = pool.retire(pool.lease(4096));
        Block second = pool.retire(pool.lease(2048));
        pool.lease(1024);
        ReleaseTransactions.Disposal disposal = pool.releases.dispose(List.of(first, second));
        assertThat(disposal.deferred().freeing()).isEmpty();
        assertThat(disposal.quarantinedCount()).isEqualTo(2);
        assertThat(disposal.quarantinedBytes()).isEqualTo(6144);
        assertThat(pool.state.leakedCount()).isEqualTo(2);
    }
}
