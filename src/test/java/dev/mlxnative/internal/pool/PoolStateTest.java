package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.mlxnative.Sizing;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PoolStateTest {
    private static final long IDLE_NANOS = 1000;

    private final FakeFence fence = new FakeFence();
    private StateSetup pool = new StateSetup(new PoolSetup());

    @AfterEach
    void noTransactionLeavesTheLockLocked() {
        pool.requireUnlocked();
    }

    private void sweepAfter(long idleNanos) {
        pool = new StateSetup(new PoolSetup().limits(limits -> limits.withTrimIdleNanos(idleNanos)));
    }

    private boolean publishesPressure() {
        return pool.state.cachedCapacity(2 * PAGE + 1) == SizeRounding.NONE;
    }

    private static Deferred.Sweep sweepOf(Deferred deferred) {
        assertThat(deferred.sweep()).as("a sweep").isNotNull();
        return deferred.sweep();
    }

    @Test
    void aPoolIsOpenUntilItIsClosed() {
        pool.state.requireOpen();
        assertThat(pool.state.isClosed()).isFalse();
        assertThat(pool.state.close()).isEqualTo(Deferred.NOTHING);
        assertThat(pool.state.isClosed()).isTrue();
        assertThatIllegalStateException().isThrownBy(pool.state::requireOpen).withMessage("the pool is closed");
        assertThat(pool.state.close()).as("it is closed already").isNull();
    }

    @Test
    void closingFreesAllFreeMemory() {
        Block free = pool.lease(1024);
        Block cached = pool.lease(2048);
        pool.lease(4096);
        pool.free(free);
        pool.cache(cached);
        long changes = pool.allocations.changes();
        assertThat(pool.state.close())
                .isEqualTo(new Deferred(List.of(free.memory(), cached.memory()), TrimCause.CLOSED, null, false));
        assertThat(pool.allocations.changes()).isEqualTo(changes + 1);
    }

    @Test
    void closingEndsThePressureOfCachedBlocks() {
        pool = new StateSetup(new PoolSetup().limits(limits -> limits.withMemoryLimit(8 * PAGE)));
        pool.free(pool.lease(256));
        pool.lease(512);
        pool.cache(pool.lease(4 * PAGE));
        assertThat(publishesPressure()).isTrue();
        pool.state.close();
        assertThat(publishesPressure()).isFalse();
    }

    @Test
    void theShardsOfAClosedPoolDoNotCache() {
        Block first = pool.lease(1024);
        Block second = pool.lease(1024);
        pool.free(pool.lease(1024));
        pool.state.close();
        pool.free(first);
        assertThat(pool.shard.end(second, second.generation(), true)).isEqualTo(LeaseEnd.RETIRING);
    }

    @Test
    void closingSweepsParkedMemoryMoreOften() {
        sweepAfter(IDLE_NANOS);
        Deferred.Sweep earlier = sweepOf(pool.releases.park(List.of(pool.retire(pool.lease(1024))), fence));
        Deferred.Sweep sweep = sweepOf(pool.state.close());
        assertThat(sweep.delayNanos()).isEqualTo(1_000_000_000);
        assertThat(pool.state.sweep(earlier.ticket())).as("void").isSameAs(Deferred.NOTHING);
        Deferred.Sweep next = sweepOf(pool.state.sweep(sweep.ticket()));
        assertThat(next.delayNanos()).isEqualTo(1_000_000_000);
    }

    @Test
    void aSweepFreesWhatHasBeenUnusedSinceItWasPlanned() {
        sweepAfter(IDLE_NANOS);
        Block idle = pool.lease(1024);
        Block used = pool.lease(2048);
        Deferred.Sweep first = sweepOf(pool.free(idle));
        pool.free(used);
        Deferred deferred = pool.state.sweep(first.ticket());
        assertThat(deferred.freeing()).containsExactly(idle.memory());
        assertThat(deferred.cause()).isEqualTo(TrimCause.IDLE);
        Deferred.Sweep second = sweepOf(deferred);
        assertThat(second.delayNanos()).isEqualTo(IDLE_NANOS);
        assertThat(pool.state.sweep(first.ticket())).as("void").isSameAs(Deferred.NOTHING);
        Deferred last = pool.state.sweep(second.ticket());
        assertThat(last.freeing()).containsExactly(used.memory());
        assertThat(last.sweep()).as("nothing is left").isNull();
    }

    @Test
    void aSweepFindsWhatTheShardsCache() {
        sweepAfter(IDLE_NANOS);
        Deferred.Sweep sweep = sweepOf(pool.free(pool.lease(1024)));
        Block cached = pool.lease(2048);
        pool.cache(cached);
        Deferred.Sweep next = sweepOf(pool.state.sweep(sweep.ticket()));
        assertThat(pool.state.sweep(next.ticket()).freeing()).containsExactly(cached.memory());
    }

    @Test
    void afterTheLastSweepTheShardsDoNotCache() {
        sweepAfter(IDLE_NANOS);
        Deferred.Sweep sweep = sweepOf(pool.free(pool.lease(1024)));
        Block block = pool.lease(2048);
        assertThat(pool.state.sweep(sweep.ticket()).sweep()).isNull();
        assertThat(pool.shard.end(block, block.generation(), true))
                .as("no sweep would find it")
                .isEqualTo(LeaseEnd.RETIRING);
    }

    @Test
    void aSweepEndsThePressureOfCachedBlocks() {
        pool = new StateSetup(new PoolSetup()
                .limits(limits -> limits.withMemoryLimit(8 * PAGE).withTrimIdleNanos(IDLE_NANOS)));
        Deferred.Sweep sweep = sweepOf(pool.free(pool.lease(256)));
        pool.lease(512);
        pool.cache(pool.lease(4 * PAGE));
        assertThat(publishesPressure()).isTrue();
        pool.state.sweep(sweep.ticket());
        assertThat(publishesPressure()).isFalse();
    }

    @Test
    void trimmingFreesDownToASize() {
        Block first = pool.lease(1024);
        Block second = pool.lease(2048);
        pool.free(first);
        pool.cache(second);
        assertThat(pool.state.trim(2048, TrimCause.REQUESTED))
                .isEqualTo(new Deferred(List.of(first.memory()), TrimCause.REQUESTED, null, false));
        assertThat(pool.state.trim(2048, TrimCause.REQUESTED)).isSameAs(Deferred.NOTHING);
    }

    @Test
    void trimmingEndsThePressureOfCachedBlocks() {
        pool = new StateSetup(new PoolSetup().limits(limits -> limits.withMemoryLimit(8 * PAGE)));
        pool.free(pool.lease(256));
        pool.lease(512);
        pool.cache(pool.lease(4 * PAGE));
        assertThat(publishesPressure()).isTrue();
        pool.state.trim(Long.MAX_VALUE, TrimCause.REQUESTED);
        assertThat(publishesPressure()).isFalse();
    }

    @Test
    void memoryThatHasBeenFreedIsAChangeThatCouldHelp() {
        pool = new StateSetup(new PoolSetup().limits(limits -> limits.withMemoryLimit(PAGE)));
        pool.free(pool.lease(PAGE));
        Deferred deferred = pool.state.trim(0, TrimCause.REQUESTED);
        assertThat(pool.allocations.reserve(PAGE, false, Reservation.ANY)).isInstanceOf(Reservation.Denied.class);
        long changes = pool.allocations.changes();
        pool.carryOut(deferred);
        assertThat(pool.allocations.changes()).isEqualTo(changes + 1);
        assertThat(pool.allocations.reserve(PAGE, false, Reservation.ANY)).isInstanceOf(Reservation.Granted.class);
    }

    @Test
    void loweredLimitsEvictWhatTheyDoNotAllow() {
        Block first = pool.lease(1024);
        Block second = pool.lease(2048);
        pool.free(first);
        pool.cache(second);
        long changes = pool.allocations.changes();
        Deferred deferred = pool.state.adjust(limits -> limits.withCacheLimit(2048), false);
        assertThat(deferred).isEqualTo(new Deferred(List.of(first.memory()), TrimCause.LIMIT, null, false));
        assertThat(pool.state.limits().cacheLimit()).isEqualTo(2048);
        assertThat(pool.allocations.changes()).isEqualTo(changes + 1);
    }

    @Test
    void aNewMemoryLimitHoldsAtOnce() {
        pool.state.adjust(limits -> limits.withMemoryLimit(PAGE), false);
        assertThat(pool.allocations.reserve(2 * PAGE, false, Reservation.ANY)).isInstanceOf(Reservation.Denied.class);
        pool.lease(PAGE);
        assertThat(publishesPressure()).isTrue();
        pool.state.adjust(limits -> limits.withMemoryLimit(2 * PAGE), false);
        assertThat(publishesPressure()).isFalse();
    }

    @Test
    void aNewBorderBetweenPowersOfTwoAndPagesHoldsAtOnce() {
        pool.state.adjust(limits -> limits.withRoundToPagesAbove(PAGE), false);
        assertThat(pool.state.rounding().capacity(2 * PAGE + 1)).isEqualTo(3 * PAGE);
    }

    @Test
    void theShardsMayCacheAfterAChange() {
        Block block = pool.lease(1024);
        pool.state.adjust(limits -> limits.withCacheLimit(1 << 20), false);
        assertThat(pool.shard.end(block, block.generation(), true)).isEqualTo(LeaseEnd.CACHED);
    }

    @Test
    void anIdleTimeWithoutFreeMemoryPlansNoSweepAndAllowsNoCaching() {
        Block block = pool.lease(1024);
        assertThat(pool.state
                        .adjust(limits -> limits.withTrimIdleNanos(IDLE_NANOS), true)
                        .sweep())
                .isNull();
        assertThat(pool.shard.end(block, block.generation(), true)).isEqualTo(LeaseEnd.RETIRING);
    }

    @Test
    void anIdleTimeCanBeginAnew() {
        sweepAfter(IDLE_NANOS);
        Deferred.Sweep sweep = sweepOf(pool.free(pool.lease(1024)));
        assertThat(pool.state.adjust(limits -> limits, false).sweep())
                .as("a sweep is planned")
                .isNull();
        Deferred.Sweep later = sweepOf(pool.state.adjust(limits -> limits.withTrimIdleNanos(7), true));
        assertThat(later.delayNanos()).isEqualTo(7);
        assertThat(pool.state.sweep(sweep.ticket())).as("void").isSameAs(Deferred.NOTHING);
        assertThat(pool.state.sweep(later.ticket()).freeing()).hasSize(1);
    }

    @Test
    void compactPoolsUseNoShardCaches() {
        assertThat(pool.state.cachedCapacity(1000)).isEqualTo(1024);
        pool = new StateSetup(new PoolSetup().sizing(Sizing.COMPACT));
        assertThat(pool.state.cachedCapacity(1000)).isEqualTo(SizeRounding.NONE);
    }

    @Test
    void theFiguresAreThoseOfAllParts() {
        pool.free(pool.lease(1024));
        pool.lease(2048);
        pool.releases.park(List.of(pool.retire(pool.lease(4096))), fence);
        assertThat(pool.stats())
                .returns(2048L, stats -> stats.activeBytes())
                .returns(1024L, stats -> stats.cachedBytes())
                .returns(4096L, stats -> stats.parkedBytes())
                .returns(7168L, stats -> stats.deviceAllocatedBytes());
        assertThat(pool.state.leakedCount()).isZero();
    }
}
