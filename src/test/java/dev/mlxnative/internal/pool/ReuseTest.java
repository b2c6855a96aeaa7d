package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.mlxnative.LogRecords;
import dev.mlxnative.PoolStats;
import dev.mlxnative.Sizing;
import dev.mlxnative.Zeroing;
import dev.mlxnative.internal.background.DaemonTimer;
import dev.mlxnative.internal.device.DeviceMemory;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Leases on memory whose contents were offered to the system. */
class ReuseTest {
    /** More than a page, so that no other block shares its native buffer unless a test wants that. */
    private static final long BYTES = 2 * PAGE;

    private static final byte LEFT = 7;

    @RegisterExtension
    final LogRecords log = new LogRecords();

    private final PoolSetup setup = new PoolSetup().limits(limits -> limits.withOfferIdleNanos(30));
    private final FakeMemorySource source = setup.source;
    private Zeroing zeroing = Zeroing.FRESH;
    private StateSetup pool = new StateSetup(setup);

    private void use(Zeroing newZeroing) {
        zeroing = newZeroing;
        pool = new StateSetup(setup.zeroing(newZeroing));
    }

    private void use(Sizing sizing) {
        pool = new StateSetup(setup.sizing(sizing));
    }

    private Reuse reuse() {
        var observer = new PoolObserver(setup.config());
        var none = new Reclaimer.Maintenance() {
            @Override
            public void schedule(long ticket, long delayNanos) {}

            @Override
            public void watchFences() {}
        };
        var reclaimer = new Reclaimer(source, pool.maintenance, observer, none, new DaemonTimer(neverRun -> {}));
        return new Reuse(zeroing, pool.allocations, reclaimer, observer);
    }

    /** Leases free memory, if there is any for the request. */
    private @Nullable Block lease(long byteLength) {
        Block block = reuse().lease(pool.shard, byteLength, null, true);
        if (block != null) {
            block.issue();
        }
        return block;
    }

    /** Runs the sweep that is planned; returns its chain of offers. */
    private @Nullable DeviceMemory sweep() {
        return pool.maintenance.sweep(pool.maintenance.plannedSweep());
    }

    /** Ends a lease on all of a native buffer, and has the system accept its contents. */
    private void offer(Block block) {
        pool.free(block);
        for (int sweeps = 0; sweeps < 2; sweeps++) {
            DeviceMemory.acceptOffers(sweep());
        }
        assertThat(block.memory().isOffered()).isTrue();
        source.takeSteps();
    }

    /** Has the first change of a state fail from here on. */
    private void failInNextChange(Runnable failure) {
        var changes = new AtomicInteger();
        source.duringChange = () -> {
            if (changes.incrementAndGet() == 1) {
                failure.run();
            }
        };
    }

    private static void refuse() {
        throw new UnsupportedOperationException("refused");
    }

    @AfterEach
    void noTransactionLeavesTheLockLocked() {
        pool.requireUnlocked();
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void idleMemoryIsOfferedAndTakenBackByALease(Sizing sizing) {
        use(sizing);
        Block block = pool.lease(BYTES);
        pool.free(block);
        source.takeSteps();
        DeviceMemory.acceptOffers(sweep());
        assertThat(source.takeSteps()).containsExactly("offer 32768");
        assertThat(lease(BYTES)).extracting(Block::memory).isSameAs(block.memory());
        assertThat(source.takeSteps()).containsExactly("take back 32768");
        assertThat(block.memory().isOffered()).isFalse();
        assertThat(pool.stats().hits()).isEqualTo(1);
    }

    @Test
    void memoryThatIsNotOfferedIsLeasedWithoutTheDriver() {
        pool.free(pool.lease(BYTES));
        source.takeSteps();
        assertThat(lease(BYTES)).isNotNull();
        assertThat(source.takeSteps()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void memoryThatIsLeasedBeforeTheSystemAcceptsItIsNotOffered(Sizing sizing) {
        use(sizing);
        pool.free(pool.lease(BYTES));
        DeviceMemory offered = sweep();
        source.takeSteps();
        assertThat(lease(BYTES)).extracting(Block::memory).isSameAs(offered);
        DeviceMemory.acceptOffers(offered);
        assertThat(source.takeSteps()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void memoryInUseIsNotOffered(Sizing sizing) {
        use(sizing);
        Block free = pool.lease(256);
        Block inUse = pool.lease(256);
        Block parked = pool.lease(BYTES);
        assertThat(free.memory()).isSameAs(inUse.memory());
        pool.park(parked, new FakeFence());
        pool.free(free);
        assertThat(sweep()).isNull();
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void memoryWithAQuarantinedRangeIsNotOffered(Sizing sizing) {
        FreeSpace free = FreeSpace.of(sizing, source.traits(), new SurplusAllowance(0.15, 0));
        SizeRounding rounding = setup.config().rounding();
        DeviceMemory memory = source.allocate(PAGE);
        Block leaked = free.addNew(rounding, memory, 256);
        Block other = free.take(rounding, 256, false);
        assertThat(other).isNotNull();
        assertThat(free.quarantine(leaked)).isNull();
        free.free(other, false);
        assertThat(free.evictableCount()).isEqualTo(1);
        assertThat(free.offerUnusedSince(Long.MAX_VALUE)).isNull();
        assertThat(memory.isOffered()).isFalse();
    }

    @Test
    void onlyMemoryThatIsIdleForLongEnoughIsOffered() {
        Block idle = pool.lease(BYTES);
        Block used = pool.lease(4 * PAGE);
        pool.free(idle);
        pool.free(used);
        source.takeSteps();
        DeviceMemory.acceptOffers(sweep());
        assertThat(source.takeSteps()).as("free when the sweep was planned").containsExactly("offer 32768");
        DeviceMemory.acceptOffers(sweep());
        assertThat(source.takeSteps()).as("offered once").containsExactly("offer 65536");
        assertThat(sweep()).isNull();
    }

    @Test
    void memoryIsOfferedAndFreedAfterTheirOwnTimes() {
        pool = new StateSetup(setup.limits(limits -> limits.withTrimIdleNanos(100)));
        assertThat(pool.free(pool.lease(BYTES)).sweepDelayNanos()).isEqualTo(30);
        for (long delay : new long[] {30, 30, 10}) {
            sweep();
            Leftover next = pool.leftover();
            assertThat(next.memories()).isEmpty();
            assertThat(next.sweepDelayNanos()).isEqualTo(delay);
        }
        assertThat(sweep()).isNull();
        assertThat(pool.leftover().freeing()).containsOnlyKeys(TrimCause.IDLE);
    }

    @Test
    void aSourceWhoseMemoryMustStayIsNotSwept() {
        source.mayOffer = false;
        pool = new StateSetup(setup);
        assertThat(pool.free(pool.lease(BYTES)).hasSweep()).isFalse();
    }

    @ParameterizedTest
    @EnumSource(Zeroing.class)
    void whatTheSystemTookIsClearedIfNewMemoryIs(Zeroing newZeroing) {
        use(newZeroing);
        Block block = pool.lease(256);
        block.memory().segment().fill(LEFT);
        source.takesOffered = true;
        offer(block);
        assertThat(lease(256)).isSameAs(block);
        // With ALWAYS, the start of the lease clears the block.
        byte expected = newZeroing == Zeroing.FRESH ? 0 : LEFT;
        assertThat(block.memory().segment().toArray(JAVA_BYTE)).containsOnly(expected);
    }

    @Test
    void whatTheSystemDidNotTakeIsKept() {
        use(Zeroing.FRESH);
        Block block = pool.lease(BYTES);
        block.segment().fill(LEFT);
        offer(block);
        assertThat(lease(BYTES)).isSameAs(block);
        assertThat(block.segment().toArray(JAVA_BYTE)).containsOnly(LEFT);
    }

    @Test
    void memoryThatTheSystemDoesNotGiveBackIsFreedAndTheRequestGoesOn() {
        Block first = pool.lease(BYTES);
        Block second = pool.lease(BYTES);
        offer(first);
        offer(second);
        failInNextChange(ReuseTest::refuse);
        assertThat(lease(BYTES)).isSameAs(first);
        assertThat(source.takeSteps()).containsExactly("free 32768", "take back 32768");
        assertThat(pool.stats())
                .returns(1L, PoolStats::hits)
                .returns(3L, PoolStats::requests)
                .returns(BYTES, PoolStats::footprintBytes)
                .returns(BYTES, PoolStats::activeBytes);
        log.await(1, "a native buffer is freed that the system does not give back: 32768 bytes");
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void aRequestWithoutMemoryThatIsGivenBackFindsNone(Sizing sizing) {
        use(sizing);
        offer(pool.lease(BYTES));
        failInNextChange(ReuseTest::refuse);
        assertThat(lease(BYTES)).isNull();
        assertThat(source.takeSteps()).containsExactly("free 32768");
        assertThat(pool.stats()).returns(0L, PoolStats::footprintBytes).returns(0L, PoolStats::hits);
        log.await(1, "32768 bytes");
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void aBlockThatTheSystemDoesNotGiveBackIsNotLeasedAgain(Sizing sizing) {
        use(sizing);
        offer(pool.lease(256));
        Block other = pool.allocations.reuse(pool.shard, 256, null, true);
        assertThat(other).as("of a request that has not taken it back yet").isNotNull();
        failInNextChange(() -> {
            source.duringChange = ReuseTest::refuse;
            refuse();
        });
        assertThat(lease(256)).isNull();
        source.duringChange = () -> {};
        other.memory().takeBack(true);
        other.issue();
        assertThat(pool.free(other).memories()).as("with its last lease").containsExactly(other.memory());
        assertThat(pool.stats().cachedBytes()).isZero();
        assertThat(log.with("does not give back")).isNotEmpty();
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void anErrorOfTheVmFailsTheRequestAndFreesTheMemory(Sizing sizing) {
        use(sizing);
        offer(pool.lease(BYTES));
        failInNextChange(() -> {
            throw new StackOverflowError("in the call of the driver");
        });
        assertThatThrownBy(() -> lease(BYTES)).isInstanceOf(StackOverflowError.class);
        assertThat(source.takeSteps()).containsExactly("free 32768");
        assertThat(pool.stats()).returns(0L, PoolStats::footprintBytes).returns(0L, PoolStats::hits);
        assertThat(lease(BYTES)).isNull();
    }
}
