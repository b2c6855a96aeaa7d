package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.mlxnative.Sizing;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
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

    /** Runs a sweep; returns what it leaves to be done. */
    private Leftover sweep(Leftover planned) {
        assertThat(planned.hasSweep()).as("a sweep is planned").isTrue();
        pool.maintenance.sweep(planned.sweepTicket());
        return pool.leftover();
    }

    private Leftover close() {
        assertThat(pool.state.close()).isTrue();
        return pool.leftover();
    }

    private Leftover adjust(UnaryOperator<LimitSettings> change, boolean restartSweep) {
        pool.state.adjust(change, restartSweep);
        return pool.leftover();
    }

    @Test
    void aPoolIsOpenUntilItIsClosed() {
        pool.state.requireOpen();
        assertThat(pool.state.isClosed()).isFalse();
        assertThat(close()).isEqualTo(Leftover.NOTHING);
        assertThat(pool.state.isClosed()).isTrue();
        assertThatIllegalStateException().isThrownBy(pool.state::requireOpen).withMessage("the pool is closed");
        assertThat(pool.state.close()).as("it is closed already").isFalse();
    }

    @Test
    void closingFreesAllFreeMemory() {
        Block free = pool.lease(PAGE);
        Block cached = pool.lease(2 * PAGE);
        pool.lease(4 * PAGE);
        pool.free(free);
        pool.cache(cached);
        long changes = pool.allocations.changes();
        assertThat(close()).isEqualTo(Leftover.of(TrimCause.CLOSED, free.memory(), cached.memory()));
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
        Block first = pool.lease(PAGE);
        Block second = pool.lease(PAGE);
        pool.free(pool.lease(PAGE));
        pool.state.close();
        pool.free(first);
        assertThat(pool.shard.end(second, second.generation(), true)).isEqualTo(LeaseEnd.RETIRING);
    }

    @Test
    void closingSweepsParkedMemoryMoreOften() {
        sweepAfter(IDLE_NANOS);
        Leftover earlier = pool.park(pool.lease(PAGE), fence);
        Leftover planned = close();
        assertThat(planned.sweepDelayNanos()).isEqualTo(1_000_000_000);
        assertThat(sweep(earlier)).as("void").isEqualTo(Leftover.NOTHING);
        Leftover next = sweep(planned);
        assertThat(next.hasSweep()).isTrue();
        assertThat(next.sweepDelayNanos()).isEqualTo(1_000_000_000);
    }

    @Test
    void aSweepFreesWhatHasBeenUnusedSinceItWasPlanned() {
        sweepAfter(IDLE_NANOS);
        Block idle = pool.lease(PAGE);
        Block used = pool.lease(2 * PAGE);
        Leftover first = pool.free(idle);
        pool.free(used);
        Leftover second = sweep(first);
        assertThat(second.freeing()).isEqualTo(Map.of(TrimCause.IDLE, List.of(idle.memory())));
        assertThat(second.sweepDelayNanos()).isEqualTo(IDLE_NANOS);
        assertThat(sweep(first)).as("void").isEqualTo(Leftover.NOTHING);
        assertThat(sweep(second)).as("nothing is left").isEqualTo(Leftover.of(TrimCause.IDLE, used.memory()));
    }

    @Test
    void aSweepFindsWhatTheShardsCache() {
        sweepAfter(IDLE_NANOS);
        Leftover planned = pool.free(pool.lease(PAGE));
        Block cached = pool.lease(2 * PAGE);
        pool.cache(cached);
        Leftover next = sweep(planned);
        assertThat(sweep(next).memories()).containsExactly(cached.memory());
    }

    @Test
    void afterTheLastSweepTheShardsDoNotCache() {
        sweepAfter(IDLE_NANOS);
        Leftover planned = pool.free(pool.lease(PAGE));
        Block block = pool.lease(2 * PAGE);
        assertThat(sweep(planned).hasSweep()).isFalse();
        assertThat(pool.shard.end(block, block.generation(), true))
                .as("no sweep would find it")
                .isEqualTo(LeaseEnd.RETIRING);
    }

    @Test
    void aSweepEndsThePressureOfCachedBlocks() {
        pool = new StateSetup(new PoolSetup()
                .limits(limits -> limits.withMemoryLimit(8 * PAGE).withTrimIdleNanos(IDLE_NANOS)));
        Leftover planned = pool.free(pool.lease(256));
        pool.lease(512);
        pool.cache(pool.lease(4 * PAGE));
        assertThat(publishesPressure()).isTrue();
        sweep(planned);
        assertThat(publishesPressure()).isFalse();
    }

    @Test
    void trimmingFreesDownToASize() {
        Block first = pool.lease(PAGE);
        Block second = pool.lease(2 * PAGE);
        pool.free(first);
        pool.cache(second);
        assertThat(pool.maintenance.trim(2 * PAGE, TrimCause.REQUESTED))
                .as("bytes that are freed")
                .isEqualTo(PAGE);
        assertThat(pool.leftover()).isEqualTo(Leftover.of(TrimCause.REQUESTED, first.memory()));
        assertThat(pool.maintenance.trim(2 * PAGE, TrimCause.REQUESTED)).isZero();
        assertThat(pool.leftover()).isEqualTo(Leftover.NOTHING);
    }

    @Test
    void trimmingEndsThePressureOfCachedBlocks() {
        pool = new StateSetup(new PoolSetup().limits(limits -> limits.withMemoryLimit(8 * PAGE)));
        pool.free(pool.lease(256));
        pool.lease(512);
        pool.cache(pool.lease(4 * PAGE));
        assertThat(publishesPressure()).isTrue();
        pool.maintenance.trim(Long.MAX_VALUE, TrimCause.REQUESTED);
        assertThat(publishesPressure()).isFalse();
    }

    @Test
    void memoryThatHasBeenFreedIsAChangeThatCouldHelp() {
        pool = new StateSetup(new PoolSetup().limits(limits -> limits.withMemoryLimit(PAGE)));
        pool.free(pool.lease(PAGE));
        pool.maintenance.trim(0, TrimCause.REQUESTED);
        assertThat(pool.allocations.reserve(PAGE, false, Reservation.ANY)).isInstanceOf(Reservation.Denied.class);
        long changes = pool.allocations.changes();
        pool.carryOut(pool.leftover());
        assertThat(pool.allocations.changes()).isEqualTo(changes + 1);
        assertThat(pool.allocations.reserve(PAGE, false, Reservation.ANY)).isInstanceOf(Reservation.Granted.class);
    }

    @Test
    void loweredLimitsEvictWhatTheyDoNotAllow() {
        Block first = pool.lease(PAGE);
        Block second = pool.lease(2 * PAGE);
        pool.free(first);
        pool.cache(second);
        long changes = pool.allocations.changes();
        assertThat(adjust(limits -> limits.withCacheLimit(2 * PAGE), false))
                .isEqualTo(Leftover.of(TrimCause.LIMIT, first.memory()));
        assertThat(pool.state.limits().cacheLimit()).isEqualTo(2 * PAGE);
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
        Block block = pool.lease(PAGE);
        pool.state.adjust(limits -> limits.withCacheLimit(1 << 20), false);
        assertThat(pool.shard.end(block, block.generation(), true)).isEqualTo(LeaseEnd.CACHED);
    }

    @Test
    void anIdleTimeWithoutFreeMemoryPlansNoSweepAndAllowsNoCaching() {
        Block block = pool.lease(PAGE);
        assertThat(adjust(limits -> limits.withTrimIdleNanos(IDLE_NANOS), true).hasSweep())
                .isFalse();
        assertThat(pool.shard.end(block, block.generation(), true)).isEqualTo(LeaseEnd.RETIRING);
    }

    @Test
    void anIdleTimeCanBeginAnew() {
        sweepAfter(IDLE_NANOS);
        Leftover planned = pool.free(pool.lease(PAGE));
        assertThat(adjust(limits -> limits, false).hasSweep())
                .as("a sweep is planned")
                .isFalse();
        Leftover later = adjust(limits -> limits.withTrimIdleNanos(7), true);
        assertThat(later.sweepDelayNanos()).isEqualTo(7);
        assertThat(sweep(planned)).as("void").isEqualTo(Leftover.NOTHING);
        assertThat(sweep(later).memories()).hasSize(1);
    }

    @Test
    void aBacklogThatIsReturnedIsStillLeft() {
        pool.free(pool.lease(PAGE));
        pool.maintenance.trim(0, TrimCause.REQUESTED);
        var taken = new Backlog();
        pool.maintenance.takeBacklog(taken);
        assertThat(pool.state.hasBacklog()).isFalse();
        pool.maintenance.returnBacklog(taken);
        assertThat(taken.isEmpty()).isTrue();
        Leftover leftover = pool.leftover();
        assertThat(leftover.freeing()).containsOnlyKeys(TrimCause.REQUESTED);
        assertThat(StateSetup.capacities(leftover.memories())).containsExactly(PAGE);
    }

    @Test
    void shardsOfCompactPoolsCacheWholeGranules() {
        assertThat(pool.state.cachedCapacity(5000)).isEqualTo(8192);
        pool = new StateSetup(new PoolSetup().sizing(Sizing.COMPACT));
        assertThat(pool.state.cachedCapacity(5000)).isEqualTo(5120);
    }

    @Test
    void theFiguresAreThoseOfAllParts() {
        pool.free(pool.lease(PAGE));
        pool.lease(2 * PAGE);
        pool.park(pool.lease(4 * PAGE), fence);
        assertThat(pool.stats())
                .returns(2 * PAGE, stats -> stats.activeBytes())
                .returns(PAGE, stats -> stats.cachedBytes())
                .returns(4 * PAGE, stats -> stats.parkedBytes())
                .returns(7 * PAGE, stats -> stats.deviceAllocatedBytes());
        assertThat(pool.state.leakedCount()).isZero();
    }
}
