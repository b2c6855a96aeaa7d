package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.Sizing;
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

    private Leftover park(Block block) {
        return pool.park(block, fence);
    }

    private Leftover freeRetiring(Block... blocks) {
        pool.releases.freeRetiring(Chain.of(blocks));
        return pool.leftover();
    }

    private Leftover freeParked() {
        pool.releases.freeParked(pool.state.pending.take(fence));
        return pool.leftover();
    }

    private ReleaseTransactions.Disposal dispose(Block... blocks) {
        var disposal = new ReleaseTransactions.Disposal();
        pool.releases.dispose(Chain.of(blocks), disposal);
        return disposal;
    }

    private boolean publishesPressure() {
        return pool.state.cachedCapacity(2 * PAGE + 1) == SizeRounding.NONE;
    }

    private boolean mayCache() {
        Block block = pool.lease(256);
        LeaseEnd end = pool.shard.end(block, block.generation(), true);
        if (end == LeaseEnd.RETIRING) {
            pool.shard.remove(block, new BlockList());
        }
        return end == LeaseEnd.CACHED;
    }

    @Test
    void theMemoryOfAnEndedLeaseIsFree() {
        Block block = pool.lease(PAGE);
        assertThat(pool.free(block)).isEqualTo(Leftover.NOTHING);
        assertThat(pool.stats())
                .returns(0, stats -> stats.activeCount())
                .returns(1, stats -> stats.cachedCount())
                .returns(PAGE, stats -> stats.cachedBytes());
    }

    @Test
    void aLeaseThatHasEndedIsNotFreedAgain() {
        Block block = pool.lease(PAGE);
        long generation = block.generation();
        pool.free(block);
        assertThat(pool.releases.endAndFree(block, generation)).isFalse();
        assertThat(pool.stats().cachedCount()).isEqualTo(1);
    }

    @Test
    void retiringBlocksBecomeFree() {
        Block first = pool.retire(pool.lease(PAGE));
        Block second = pool.retire(pool.lease(2 * PAGE));
        assertThat(pool.stats().activeCount()).isEqualTo(2);
        assertThat(freeRetiring(first, second)).isEqualTo(Leftover.NOTHING);
        assertThat(pool.stats())
                .returns(0, stats -> stats.activeCount())
                .returns(3 * PAGE, stats -> stats.cachedBytes());
        assertThat(first.next).as("they are in no chain").isNull();
    }

    @Test
    void blocksAreParkedWithAFenceAndBecomeFree() {
        Block first = pool.retire(pool.lease(PAGE));
        Block second = pool.retire(pool.lease(2 * PAGE));
        assertThat(pool.parkRetiring(Chain.of(first, second), fence)).isEqualTo(Leftover.NOTHING);
        assertThat(pool.stats())
                .returns(0, stats -> stats.activeCount())
                .returns(2, stats -> stats.parkedCount())
                .returns(3 * PAGE, stats -> stats.parkedBytes());
        Block taken = pool.state.pending.take(fence);
        assertThat(Chain.blocks(taken)).containsExactly(first, second);
        pool.releases.freeParked(taken);
        assertThat(pool.leftover()).isEqualTo(Leftover.NOTHING);
        assertThat(pool.stats())
                .returns(0, stats -> stats.parkedCount())
                .returns(0L, stats -> stats.parkedBytes())
                .returns(3 * PAGE, stats -> stats.cachedBytes());
        assertThat(first.next).as("they are in no chain").isNull();
    }

    @Test
    void freeMemoryAboveTheCacheLimitIsEvicted() {
        limitCache(4 * PAGE);
        Block first = pool.lease(2 * PAGE);
        Block second = pool.lease(2 * PAGE);
        Block third = pool.lease(PAGE);
        assertThat(pool.free(first)).isEqualTo(Leftover.NOTHING);
        assertThat(pool.free(second)).isEqualTo(Leftover.NOTHING);
        assertThat(pool.free(third)).isEqualTo(Leftover.of(TrimCause.LIMIT, first.memory()));
    }

    @Test
    void aBlockAboveTheCacheLimitIsEvictedBeforeAllOtherMemory() {
        limitCache(4 * PAGE);
        Block small = pool.lease(PAGE);
        Block large = pool.lease(8 * PAGE);
        pool.free(small);
        assertThat(pool.free(large).memories()).containsExactly(large.memory());
    }

    @Test
    void aBlockOfExactlyTheCacheLimitReplacesOlderMemory() {
        limitCache(4 * PAGE);
        Block small = pool.lease(PAGE);
        Block large = pool.lease(4 * PAGE);
        pool.free(small);
        assertThat(pool.free(large).memories()).containsExactly(small.memory());
    }

    @Test
    void aClosedPoolKeepsNoFreeMemory() {
        Block block = pool.lease(PAGE);
        Block parked = pool.lease(2 * PAGE);
        Block other = pool.lease(4 * PAGE);
        park(parked);
        pool.state.close();
        assertThat(pool.leftover().memories()).isEmpty();
        assertThat(pool.free(block).memories()).containsExactly(block.memory());
        assertThat(freeRetiring(pool.retire(other)).memories()).containsExactly(other.memory());
        assertThat(freeParked().memories()).containsExactly(parked.memory());
    }

    @Test
    void theParkedMemoryOfAClosedPoolIsWatchedAndSweptEverySecond() {
        Block block = pool.lease(PAGE);
        assertThat(park(pool.lease(PAGE)).watchesFences()).isFalse();
        pool.state.pending.take(fence);
        pool.state.close();
        pool.leftover();
        Leftover leftover = park(block);
        assertThat(leftover.watchesFences()).isTrue();
        assertThat(leftover.hasSweep()).isTrue();
        assertThat(leftover.sweepDelayNanos()).isEqualTo(1_000_000_000L);
    }

    @Test
    void freeAndParkedMemoryIsSweptAfterTheIdleTime() {
        sweepAfter(IDLE_NANOS);
        Block first = pool.lease(PAGE);
        Block second = pool.lease(PAGE);
        Leftover leftover = pool.free(first);
        assertThat(leftover.hasSweep()).isTrue();
        assertThat(leftover.sweepDelayNanos()).isEqualTo(IDLE_NANOS);
        assertThat(pool.free(second).hasSweep()).as("a sweep is planned").isFalse();
        sweepAfter(IDLE_NANOS);
        assertThat(park(pool.lease(PAGE)).hasSweep()).isTrue();
    }

    @Test
    void theShardsMayCacheOnceMemoryIsFree() {
        assertThat(mayCache()).isFalse();
        pool.free(pool.lease(PAGE));
        assertThat(mayCache()).isTrue();
        sweepAfter(IDLE_NANOS);
        pool.free(pool.lease(PAGE));
        assertThat(mayCache()).as("a sweep will find what they cache").isTrue();
    }

    @Test
    void theShardsStopCachingWhenFreeMemoryIsCrowded() {
        limitCache(4 * PAGE);
        Block large = pool.lease(2 * PAGE);
        pool.free(pool.lease(PAGE));
        assertThat(mayCache()).isTrue();
        pool.free(large);
        assertThat(mayCache()).isFalse();
    }

    @Test
    void everyReleaseIsAChangeThatCouldHelpARequest() {
        Block freed = pool.lease(PAGE);
        Block retired = pool.retire(pool.lease(PAGE));
        Block parked = pool.lease(PAGE);
        long changes = pool.allocations.changes();
        pool.free(freed);
        assertThat(pool.allocations.changes()).isEqualTo(changes + 1);
        freeRetiring(retired);
        assertThat(pool.allocations.changes()).isEqualTo(changes + 2);
        park(parked);
        assertThat(pool.allocations.changes()).isEqualTo(changes + 3);
        freeParked();
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
        ReleaseTransactions.Disposal disposal = dispose(leaked);
        Leftover leftover = pool.leftover();
        assertThat(leftover).isEqualTo(Leftover.of(TrimCause.UNREPORTED, leaked.memory()));
        assertThat(disposal.freedCount()).isEqualTo(1);
        assertThat(disposal.freedBytes()).isEqualTo(5 * PAGE);
        assertThat(disposal.quarantinedCount()).isZero();
        assertThat(disposal.quarantinedBytes()).isZero();
        assertThat(publishesPressure()).isFalse();
        assertThat(pool.state.leakedCount()).isEqualTo(1);
        assertThat(pool.allocations.deny(0).freeingBytes())
                .as("counted as being freed")
                .isEqualTo(5 * PAGE);
        pool.carryOut(leftover);
        assertThat(pool.allocations.deny(0).freeingBytes()).isZero();
        assertThat(pool.stats().footprintBytes()).isZero();
    }

    @Test
    void aPageWhoseLeasesHaveAllLeakedIsFreed() {
        Block first = pool.retire(pool.lease(PAGE / 2));
        Block last = pool.retire(pool.lease(PAGE / 2));
        assertThat(last.memory()).isSameAs(first.memory());
        ReleaseTransactions.Disposal disposal = dispose(first, last);
        assertThat(pool.leftover()).isEqualTo(Leftover.of(TrimCause.UNREPORTED, first.memory()));
        assertThat(disposal.freedCount()).isEqualTo(1);
        assertThat(disposal.freedBytes()).isEqualTo(PAGE);
        assertThat(disposal.quarantinedCount()).as("of the first range").isZero();
        assertThat(disposal.quarantinedBytes()).isZero();
        assertThat(pool.state.leakedCount()).isEqualTo(2);
        assertThat(first.next).as("they are in no chain").isNull();
    }

    @Test
    void aPageWithAQuarantinedBlockIsFreedWithItsLastLease() {
        Block leaked = pool.retire(pool.lease(PAGE / 2));
        Block other = pool.lease(PAGE / 2);
        assertThat(dispose(leaked).quarantinedCount()).isEqualTo(1);
        assertThat(pool.leftover()).isEqualTo(Leftover.NOTHING);
        assertThat(pool.free(other)).isEqualTo(Leftover.of(TrimCause.LIMIT, other.memory()));
        assertThat(pool.stats().footprintBytes()).isZero();
    }

    @Test
    void theMemoryOfALeakedLeaseIsQuarantinedIfOthersShareItsBuffer() {
        pool = new StateSetup(new PoolSetup().sizing(Sizing.COMPACT));
        Block first = pool.retire(pool.lease(4096));
        Block second = pool.retire(pool.lease(2048));
        pool.lease(1024);
        ReleaseTransactions.Disposal disposal = dispose(first, second);
        assertThat(pool.leftover()).isEqualTo(Leftover.NOTHING);
        assertThat(disposal.freedCount()).isZero();
        assertThat(disposal.freedBytes()).isZero();
        assertThat(disposal.quarantinedCount()).isEqualTo(2);
        assertThat(disposal.quarantinedBytes()).isEqualTo(6144);
        assertThat(pool.state.leakedCount()).isEqualTo(2);
    }
}
