package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.mlxnative.Sizing;
import dev.mlxnative.internal.device.DeviceMemory;
import dev.mlxnative.internal.pool.AllocationTransactions.Wait;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class AllocationTransactionsTest {
    /** More than two pages: rounded to four of them or, under pressure, to three. */
    private static final long THREE_PAGES = 2 * PAGE + 1;

    private static final long HOUR = TimeUnit.HOURS.toNanos(1);

    private final FakeFence fence = new FakeFence();
    private StateSetup pool = new StateSetup(new PoolSetup());

    @AfterEach
    void noTransactionLeavesTheLockLocked() {
        pool.requireUnlocked();
    }

    private void limitMemory(long bytes) {
        pool = new StateSetup(new PoolSetup().limits(limits -> limits.withMemoryLimit(bytes)));
    }

    private void limitMemory(long bytes, long waitNanos) {
        pool = new StateSetup(
                new PoolSetup().limits(limits -> limits.withMemoryLimit(bytes).withWaitNanos(waitNanos)));
    }

    private Block reuse(long byteLength) {
        return pool.allocations.reuse(pool.shard, byteLength, null, true);
    }

    private Reservation reserve(long byteLength) {
        return pool.allocations.reserve(byteLength, false, Reservation.ANY);
    }

    private void assertEvictsFirst(Reservation reservation, TrimCause cause, Long... capacities) {
        assertThat(reservation).isInstanceOf(Reservation.EvictFirst.class);
        Leftover leftover = pool.leftover();
        assertThat(leftover.freeing()).containsOnlyKeys(cause);
        assertThat(StateSetup.capacities(leftover.memories())).containsExactly(capacities);
        pool.carryOut(leftover);
    }

    /**
     * Each eviction changes the capacity that would be best. Choosing it again would evict more than the first needs.
     */
    @Test
    void aCapacityThatMemoryIsEvictedForIsNotChosenAgain() {
        assertThat(pool.allocations.reserve(256, false, 3 * PAGE)).isEqualTo(new Reservation.Granted(3 * PAGE));
    }

    @Test
    void anEvictionSaysForWhichCapacityItIs() {
        limitMemory(4 * PAGE);
        pool.free(pool.lease(4 * PAGE));
        assertThat(reserve(PAGE))
                .isInstanceOfSatisfying(
                        Reservation.EvictFirst.class,
                        first -> assertThat(first.capacity()).isEqualTo(PAGE));
    }

    @Test
    void memoryInTheCacheOfAShardGoesBeforeMoreOfItsPowerOfTwoComes() {
        pool = new StateSetup(new PoolSetup().limits(limits -> limits.withRoundToPagesAbove(4 * PAGE)));
        pool.free(pool.lease(256));
        pool.cache(pool.lease(8 * PAGE));
        assertEvictsFirst(reserve(7 * PAGE), TrimCause.REPLACED, 8 * PAGE);
        assertThat(reserve(7 * PAGE)).isEqualTo(new Reservation.Granted(7 * PAGE));
    }

    /** Whether the pool tells hits that requests are no longer rounded to powers of two. */
    private boolean publishesPressure() {
        return pool.state.cachedCapacity(THREE_PAGES) == SizeRounding.NONE;
    }

    private void park(Block block) {
        pool.park(block, fence);
    }

    /** Ends a lease so that its native buffer is being freed. */
    private Leftover startFreeing(Block block) {
        pool.free(block);
        pool.maintenance.trim(0, TrimCause.REQUESTED);
        return pool.leftover();
    }

    private Wait awaitChange(long byteLength) throws InterruptedException {
        return pool.allocations.awaitChange(byteLength, System.nanoTime(), pool.allocations.changes());
    }

    @Test
    void freeMemoryIsReused() {
        Block block = pool.lease(PAGE - 1);
        pool.free(block);
        assertThat(reuse(PAGE)).isSameAs(block);
        assertThat(pool.stats().hits()).isEqualTo(1);
        assertThat(pool.stats().activeBytes()).isEqualTo(PAGE);
        assertThat(reuse(PAGE)).isNull();
    }

    @Test
    void memoryInTheCacheOfAnyShardIsReused() {
        pool.free(pool.lease(256));
        Block cached = pool.lease(pool.shards.get(1), PAGE);
        pool.cache(cached);
        assertThat(reuse(PAGE - 1)).isSameAs(cached);
        assertThat(pool.stats().activeCount()).isEqualTo(1);
    }

    @Test
    void aShardGrowsWithTheMemoryThatIsReused() {
        List<Block> blocks = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            blocks.add(pool.lease(pool.shards.get(1), 256));
        }
        blocks.forEach(pool::free);
        for (int i = 0; i < 200; i++) {
            assertThat(reuse(256)).isNotNull();
        }
    }

    @Test
    void aShardGrowsWithNewMemory() {
        for (int i = 0; i < 200; i++) {
            reserve(PAGE);
            pool.allocations.commit(pool.source.allocate(PAGE), pool.shard, PAGE, null, true);
        }
        assertThat(pool.stats().activeCount()).isEqualTo(200);
    }

    @Test
    void underPressureCachedBlocksAreFlushedAndCountNoMore() {
        limitMemory(8 * PAGE);
        pool.free(pool.lease(256));
        Block block = pool.lease(4 * PAGE);
        pool.cache(block);
        assertThat(reuse(THREE_PAGES))
                .as("four pages, which put no pressure on the pool")
                .isSameAs(block);
    }

    @Test
    void withoutPressureCachedBlocksStayWhereTheyAre() {
        limitMemory(8 * PAGE);
        pool.free(pool.lease(256));
        Block cached = pool.lease(PAGE);
        pool.cache(cached);
        assertThat(reuse(2 * PAGE)).isNull();
        assertThat(pool.shard.takeCached(PAGE)).isSameAs(cached);
    }

    @Test
    void underPressureAPowerOfTwoIsNotReusedForMuchLess() {
        limitMemory(16 * PAGE);
        pool.free(pool.lease(4 * PAGE));
        pool.lease(8 * PAGE);
        assertThat(reuse(THREE_PAGES)).isNull();
        assertThat(reuse(4 * PAGE)).isNotNull();
    }

    @Test
    void reusePublishesPressure() {
        limitMemory(8 * PAGE);
        Block block = pool.lease(8 * PAGE);
        pool.free(block);
        assertThat(publishesPressure()).isFalse();
        reuse(8 * PAGE);
        assertThat(publishesPressure()).isTrue();
    }

    @Test
    void aReservationIsGrantedWithTheRoundedCapacity() {
        assertThat(reserve(THREE_PAGES)).isEqualTo(new Reservation.Granted(4 * PAGE));
    }

    @Test
    void aReservationUnderPressureIsRoundedToPages() {
        limitMemory(16 * PAGE);
        pool.lease(4 * PAGE);
        assertThat(reserve(THREE_PAGES)).isEqualTo(new Reservation.Granted(4 * PAGE));
        pool.lease(PAGE);
        assertThat(reserve(THREE_PAGES)).isEqualTo(new Reservation.Granted(3 * PAGE));
    }

    @Test
    void theLeastCapacityCanBeReserved() {
        assertThat(pool.allocations.reserve(THREE_PAGES, true, Reservation.ANY))
                .isEqualTo(new Reservation.Granted(3 * PAGE));
    }

    @Test
    void theLeastCapacityIsGrantedIfTheLimitAllowsNoMore() {
        limitMemory(8 * PAGE);
        assertThat(reserve(4 * PAGE)).isInstanceOf(Reservation.Granted.class);
        assertThat(reserve(PAGE)).isInstanceOf(Reservation.Granted.class);
        assertThat(reserve(THREE_PAGES)).isEqualTo(new Reservation.Granted(3 * PAGE));
    }

    @Test
    void aReservationAboveTheLimitIsDenied() {
        limitMemory(8 * PAGE);
        reserve(4 * PAGE);
        reserve(2 * PAGE);
        assertThat(reserve(THREE_PAGES)).isEqualTo(new Reservation.Denied(DenialCause.MEMORY_LIMIT, 4 * PAGE));
        assertThat(pool.allocations.reserve(THREE_PAGES, true, Reservation.ANY))
                .isEqualTo(new Reservation.Denied(DenialCause.MEMORY_LIMIT, 3 * PAGE));
    }

    @Test
    void aReservationAboveTheBufferLimitIsDenied() {
        pool = new StateSetup(new PoolSetup().limits(limits -> limits.withBufferLimit(1)));
        reserve(PAGE);
        assertThat(reserve(PAGE)).isEqualTo(new Reservation.Denied(DenialCause.BUFFER_LIMIT, PAGE));
    }

    @Test
    void freeMemoryIsEvictedBeforeOtherMemoryReplacesIt() {
        limitMemory(8 * PAGE);
        pool.free(pool.lease(4 * PAGE));
        assertEvictsFirst(reserve(8 * PAGE), TrimCause.LIMIT, 4 * PAGE);
        assertThat(reserve(8 * PAGE)).isEqualTo(new Reservation.Granted(8 * PAGE));
    }

    @Test
    void freeBuffersAreEvictedBeforeOthersReplaceThem() {
        pool = new StateSetup(new PoolSetup().limits(limits -> limits.withBufferLimit(2)));
        pool.free(pool.lease(PAGE));
        pool.lease(2 * PAGE);
        assertEvictsFirst(reserve(4 * PAGE), TrimCause.LIMIT, PAGE);
    }

    @Test
    void nothingIsEvictedIfThatDoesNotHelp() {
        limitMemory(8 * PAGE);
        pool.lease(4 * PAGE);
        pool.free(pool.lease(2 * PAGE));
        assertThat(reserve(8 * PAGE)).isEqualTo(new Reservation.Denied(DenialCause.MEMORY_LIMIT, 8 * PAGE));
        assertThat(pool.stats().cachedBytes()).isEqualTo(2 * PAGE);
    }

    @Test
    void aReservationIsDeniedWhileOtherMemoryIsBeingFreed() {
        limitMemory(4 * PAGE);
        Leftover freeing = startFreeing(pool.lease(4 * PAGE));
        assertThat(reserve(4 * PAGE)).isEqualTo(new Reservation.Denied(DenialCause.MEMORY_LIMIT, 4 * PAGE));
        pool.carryOut(freeing);
        assertThat(reserve(4 * PAGE)).isInstanceOf(Reservation.Granted.class);
    }

    @Test
    void emptyChunksAreReplacedByALargerOne() {
        pool = new StateSetup(new PoolSetup().sizing(Sizing.COMPACT));
        pool.free(pool.lease(200 * PAGE));
        assertEvictsFirst(reserve(201 * PAGE), TrimCause.REPLACED, 200 * PAGE);
        assertThat(reserve(201 * PAGE)).isEqualTo(new Reservation.Granted(201 * PAGE));
    }

    @Test
    void aSmallPoolMayHoldTwoMiBBeyondItsLeases() {
        pool = new StateSetup(new PoolSetup().sizing(Sizing.COMPACT));
        long twoMiB = 128 * PAGE;
        pool.free(pool.lease(twoMiB));
        assertThat(reserve(twoMiB)).isEqualTo(new Reservation.Granted(twoMiB));
    }

    @Test
    void newMemoryIsLeasedAndCounted() {
        reserve(1000);
        DeviceMemory memory = pool.source.allocate(PAGE);
        Block block = pool.allocations.commit(memory, pool.shard, 1000, null, true);
        assertThat(block.memory()).isSameAs(memory);
        assertThat(block.shard()).isSameAs(pool.shard);
        assertThat(block.requestedBytes).isEqualTo(1000);
        assertThat(pool.stats())
                .returns(1L, stats -> stats.nativeAllocations())
                .returns(0L, stats -> stats.hits())
                .returns(1, stats -> stats.activeCount())
                .returns(1024L, stats -> stats.activeBytes())
                .returns(PAGE - 1024, stats -> stats.cachedBytes())
                .returns(PAGE, stats -> stats.peakFootprintBytes());
    }

    @Test
    void newMemoryCanPutThePoolUnderPressure() {
        limitMemory(8 * PAGE);
        pool.lease(4 * PAGE);
        assertThat(publishesPressure()).isFalse();
        pool.lease(PAGE);
        assertThat(publishesPressure()).isTrue();
    }

    @Test
    void theFootprintIsLeasedFreeAndParkedMemory() {
        Block free = pool.lease(PAGE);
        Block parked = pool.lease(2 * PAGE);
        pool.free(free);
        park(parked);
        pool.lease(4 * PAGE);
        assertThat(pool.stats().peakFootprintBytes()).isEqualTo(7 * PAGE);
    }

    @Test
    void aCancelledReservationLeavesRoomForAnother() {
        limitMemory(4 * PAGE);
        reserve(4 * PAGE);
        long changes = pool.allocations.changes();
        pool.allocations.cancel(4 * PAGE);
        assertThat(pool.allocations.changes()).isEqualTo(changes + 1);
        assertThat(reserve(4 * PAGE)).isInstanceOf(Reservation.Granted.class);
    }

    @Test
    void memoryThatCannotBeCommittedIsFreed() {
        limitMemory(4 * PAGE);
        reserve(4 * PAGE);
        DeviceMemory memory = pool.source.allocate(4 * PAGE);
        pool.allocations.abandon(memory);
        Leftover leftover = pool.leftover();
        assertThat(leftover).isEqualTo(Leftover.of(TrimCause.UNREPORTED, memory));
        assertThat(pool.allocations.deny(0).freeingBytes()).isEqualTo(4 * PAGE);
        pool.carryOut(leftover);
        assertThat(pool.allocations.deny(0).freeingBytes()).isZero();
        assertThat(reserve(4 * PAGE)).isInstanceOf(Reservation.Granted.class);
    }

    @Test
    void aClosedPoolServesNoRequest() {
        pool.free(pool.lease(256));
        reserve(256);
        DeviceMemory memory = pool.source.allocate(PAGE);
        pool.state.close();
        assertThatIllegalStateException().isThrownBy(() -> reuse(256)).withMessage("the pool is closed");
        assertThatIllegalStateException().isThrownBy(() -> reserve(256)).withMessage("the pool is closed");
        assertThatIllegalStateException()
                .isThrownBy(() -> pool.allocations.commit(memory, pool.shard, 256, null, true))
                .withMessage("the pool is closed");
    }

    @Test
    void aStarvedRequestFindsAllFreeMemoryInOnePlace() {
        limitMemory(8 * PAGE);
        pool.free(pool.lease(256));
        Block cached = pool.lease(4 * PAGE);
        Block active = pool.lease(512);
        pool.cache(cached);
        assertThat(publishesPressure()).as("cached blocks count as leased").isTrue();
        pool.allocations.beginStarvation();
        assertThat(publishesPressure()).isFalse();
        assertThat(pool.shard.takeCached(4 * PAGE)).isNull();
        assertThat(active.shard().end(active, active.generation(), true)).isEqualTo(LeaseEnd.RETIRING);
        pool.releases.freeRetiring(active);
        pool.allocations.endStarvation();
        pool.cache(pool.lease(512));
    }

    @Test
    void parkedMemoryCanBeWaitedFor() {
        limitMemory(4 * PAGE, HOUR);
        park(pool.lease(4 * PAGE));
        assertThat(pool.allocations.canWait(4 * PAGE, System.nanoTime())).isTrue();
        assertThat(pool.allocations.canWait(4 * PAGE, System.nanoTime() - HOUR))
                .as("the request's time is over")
                .isFalse();
        assertThat(pool.allocations.canWait(4 * PAGE + 1, System.nanoTime()))
                .as("more than the limit")
                .isFalse();
    }

    @Test
    void parkedAndFreeMemoryTogetherCanServe() {
        limitMemory(4 * PAGE, HOUR);
        park(pool.lease(2 * PAGE));
        pool.free(pool.lease(PAGE));
        Block active = pool.lease(PAGE + 1 - PAGE);
        assertThat(active.capacity()).isEqualTo(256);
        assertThat(pool.allocations.canWait(3 * PAGE, System.nanoTime())).isTrue();
        assertThat(pool.allocations.canWait(4 * PAGE, System.nanoTime())).isFalse();
    }

    @Test
    void parkedAndFreeBuffersTogetherCanServe() {
        pool = new StateSetup(new PoolSetup()
                .limits(limits ->
                        limits.withMemoryLimit(4 * PAGE).withBufferLimit(2).withWaitNanos(HOUR)));
        park(pool.lease(2 * PAGE));
        assertThat(pool.allocations.canWait(4 * PAGE, System.nanoTime())).isTrue();
        pool.free(pool.lease(PAGE));
        pool.state.adjust(limits -> limits.withBufferLimit(1), false);
        assertThat(pool.allocations.canWait(4 * PAGE, System.nanoTime()))
                .as("both buffers will be free")
                .isTrue();
        assertThat(pool.allocations.canWait(5 * PAGE, System.nanoTime())).isFalse();
    }

    @Test
    void aParkedBlockOfAFullPageIsWaitedFor() {
        limitMemory(PAGE, HOUR);
        park(pool.lease(PAGE / 2));
        pool.lease(PAGE / 2);
        assertThat(pool.allocations.canWait(PAGE / 2, System.nanoTime())).isTrue();
        assertThat(pool.allocations.canWait(PAGE, System.nanoTime()))
                .as("half of the page is leased")
                .isFalse();
    }

    @Test
    void aParkedBlockIsWaitedForIfTheRestOfItsPageIsFree() {
        limitMemory(PAGE, HOUR);
        park(pool.lease(256));
        assertThat(pool.allocations.canWait(256, System.nanoTime())).isTrue();
        assertThat(pool.allocations.canWait(PAGE, System.nanoTime()))
                .as("the page will be free")
                .isTrue();
    }

    @Test
    void aParkedRangeOfAChunkIsWaitedFor() {
        pool = new StateSetup(new PoolSetup()
                .sizing(Sizing.COMPACT)
                .limits(limits -> limits.withMemoryLimit(PAGE).withWaitNanos(HOUR)));
        park(pool.lease(PAGE / 2));
        pool.lease(PAGE / 2);
        assertThat(pool.allocations.canWait(PAGE / 2, System.nanoTime())).isTrue();
        assertThat(pool.allocations.canWait(PAGE, System.nanoTime()))
                .as("half of the chunk is leased")
                .isFalse();
    }

    @Test
    void aParkedRangeIsWaitedForTogetherWithItsFreeNeighbour() {
        pool = new StateSetup(new PoolSetup()
                .sizing(Sizing.COMPACT)
                .limits(limits -> limits.withMemoryLimit(PAGE).withWaitNanos(HOUR)));
        Block parked = pool.lease(PAGE / 4);
        Block neighbour = pool.lease(PAGE / 4);
        pool.lease(PAGE / 2);
        park(parked);
        pool.free(neighbour);
        assertThat(pool.allocations.canWait(PAGE / 2, System.nanoTime())).isTrue();
        assertThat(pool.allocations.canWait(PAGE / 2 + 1, System.nanoTime())).isFalse();
    }

    @Test
    void activeBuffersAreNotWaitedFor() {
        pool = new StateSetup(
                new PoolSetup().limits(limits -> limits.withBufferLimit(1).withWaitNanos(HOUR)));
        pool.lease(PAGE);
        assertThat(pool.allocations.canWait(2 * PAGE, System.nanoTime())).isFalse();
    }

    @Test
    void memoryThatIsBeingFreedIsWaitedForAtLeastASecond() {
        limitMemory(4 * PAGE);
        startFreeing(pool.lease(4 * PAGE));
        long now = System.nanoTime();
        assertThat(pool.allocations.canWait(4 * PAGE, now)).isTrue();
        assertThat(pool.allocations.canWait(4 * PAGE, now - TimeUnit.SECONDS.toNanos(1)))
                .isFalse();
        pool.state.adjust(limits -> limits.withWaitNanos(HOUR), false);
        assertThat(pool.allocations.canWait(4 * PAGE, now - TimeUnit.SECONDS.toNanos(1)))
                .as("for as long as for parked memory")
                .isTrue();
    }

    @Test
    void memoryThatIsNotBeingFreedIsNotWaitedForWithoutAWaitingTime() throws Exception {
        limitMemory(4 * PAGE);
        park(pool.lease(4 * PAGE));
        assertThat(pool.allocations.canWait(4 * PAGE, System.nanoTime())).isFalse();
        assertThat(awaitChange(4 * PAGE)).isEqualTo(Wait.FUTILE);
    }

    @Test
    void aRequestThatNothingCouldServeLaterDoesNotWait() throws Exception {
        limitMemory(4 * PAGE, HOUR);
        pool.lease(4 * PAGE);
        assertThat(pool.allocations.canWait(4 * PAGE, System.nanoTime())).isFalse();
        assertThat(awaitChange(4 * PAGE)).isEqualTo(Wait.FUTILE);
    }

    @Test
    void aClosedPoolIsNotWaitedFor() throws Exception {
        pool.state.close();
        assertThat(awaitChange(256)).isEqualTo(Wait.WAITED);
    }

    @Test
    void aRequestWaitsUntilSomethingChanges() throws Exception {
        limitMemory(4 * PAGE, HOUR);
        park(pool.lease(4 * PAGE));
        assertThat(pool.state.areRequestsWaiting()).isFalse();
        var wait = new FutureTask<>(() -> awaitChange(4 * PAGE));
        Thread.ofPlatform().daemon().start(wait);
        Waiting.until("the request waits", pool.state::areRequestsWaiting);
        pool.allocations.cancel(0);
        assertThat(wait.get(10, TimeUnit.SECONDS)).isEqualTo(Wait.WAITED_FOR_PARKED);
        assertThat(pool.state.areRequestsWaiting()).isFalse();
    }

    @Test
    void aRequestThatMissedAChangeDoesNotSleep() throws Exception {
        limitMemory(4 * PAGE, HOUR);
        long changes = pool.allocations.changes();
        park(pool.lease(4 * PAGE));
        assertThat(pool.allocations.changes()).isEqualTo(changes + 1);
        long start = System.nanoTime();
        assertThat(pool.allocations.awaitChange(4 * PAGE, start, changes)).isEqualTo(Wait.WAITED_FOR_PARKED);
        assertThat(System.nanoTime() - start).isLessThan(TimeUnit.MILLISECONDS.toNanos(50));
    }

    @Test
    void aRequestWaitsFiftyMillisecondsAtMost() throws Exception {
        limitMemory(4 * PAGE, HOUR);
        park(pool.lease(4 * PAGE));
        long start = System.nanoTime();
        assertThat(pool.allocations.awaitChange(4 * PAGE, start, pool.allocations.changes()))
                .isEqualTo(Wait.WAITED_FOR_PARKED);
        assertThat(System.nanoTime() - start).isGreaterThanOrEqualTo(TimeUnit.MILLISECONDS.toNanos(50));
        assertThat(pool.state.areRequestsWaiting()).isFalse();
    }

    @Test
    void aRequestThatWaitsForMemoryThatIsBeingFreedSaysSo() throws Exception {
        limitMemory(4 * PAGE);
        startFreeing(pool.lease(4 * PAGE));
        assertThat(awaitChange(4 * PAGE)).isEqualTo(Wait.WAITED);
    }

    @Test
    void aDenialIsCountedAndHasTheFigures() {
        limitMemory(8 * PAGE);
        pool.lease(PAGE);
        AllocationTransactions.Denial denial = pool.allocations.deny(4711);
        assertThat(denial.stats()).isEqualTo(pool.state.snapshot(4711));
        assertThat(denial.stats().failedAllocations()).isEqualTo(1);
        assertThat(denial.limits()).isEqualTo(pool.state.limits());
        assertThat(denial.freeingBytes()).isZero();
    }
}
