package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.mlxnative.LeakDetection;
import dev.mlxnative.LogRecords;
import dev.mlxnative.MlxFence;
import dev.mlxnative.Sizing;
import dev.mlxnative.internal.device.RetainedFence;
import java.io.UncheckedIOException;
import java.lang.ref.Cleaner;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class PoolEngineTest {
    @RegisterExtension
    final LogRecords log = new LogRecords();

    private final PoolSetup setup = new PoolSetup();
    private final FakeMemorySource source = setup.source;
    private final FakeFence fence = new FakeFence();
    private final Object holder = new Object();
    private PoolEngine pool = setup.engine();

    private Lease lease(long byteLength) {
        return Lease.of(pool, byteLength);
    }

    private Lease watched(long byteLength) {
        Lease lease = lease(byteLength);
        pool.watchSample(holder, lease.block(), lease.generation(), null, byteLength);
        return lease;
    }

    /** Has the cleaner find the holder of a lease unreachable. */
    private static void drop(Lease lease) {
        Cleaner.Cleanable watch = lease.block().watch;
        assertThat(watch).as("the lease is watched").isNotNull();
        watch.clean();
    }

    @Test
    void itHasTheSettingsOfItsConfiguration() {
        assertThat(pool.name()).isEqualTo("pool");
        assertThat(pool.isChecked()).isFalse();
        assertThat(pool.limits()).isEqualTo(PoolSetup.NO_LIMITS);
        assertThat(new PoolSetup().checked().engine().isChecked()).isTrue();
    }

    @Test
    void aRangeOfAnyAlignmentLiesWithinALease() {
        assertThat(pool.bytesFor(100, 256)).isEqualTo(100);
        assertThat(pool.bytesFor(100, 512))
                .as("a bucket is aligned to its size")
                .isEqualTo(512);
        assertThat(pool.bytesFor(1000, 512)).isEqualTo(1000);
        assertThat(pool.bytesFor(100, PAGE)).isEqualTo(PAGE);
        assertThat(pool.bytesFor(100, 2 * PAGE))
                .as("native buffers are aligned to pages")
                .isEqualTo(100 + 2 * PAGE);
        assertThat(pool.bytesFor(Long.MAX_VALUE, 2 * PAGE)).as("too many").isNegative();
        PoolEngine compact = new PoolSetup().sizing(Sizing.COMPACT).engine();
        assertThat(compact.bytesFor(100, 256)).isEqualTo(100);
        assertThat(compact.bytesFor(100, 512)).isEqualTo(612);
    }

    @Test
    void aBlockThatAShardCachesIsLeasedWithoutTheDevice() {
        lease(512).end();
        Lease first = lease(1024);
        first.end();
        Lease second = lease(1000);
        assertThat(second.block()).isSameAs(first.block());
        assertThat(pool.snapshot()).returns(1L, stats -> stats.hits()).returns(2L, stats -> stats.nativeAllocations());
        assertThat(second.block().requestedBytes).isEqualTo(1000);
    }

    @Test
    void aClosedDeviceServesNoRequest() {
        lease(512).end();
        source.open = false;
        assertThatIllegalStateException().isThrownBy(() -> lease(512)).withMessage("the device is closed");
    }

    @Test
    void aLeaseThatHasAnArenaEndsWithIt() {
        var arena = new FakeArena();
        Block block = pool.acquire(256, arena, true);
        long generation = block.issue();
        assertThat(pool.end(arena, block, generation, null)).isTrue();
        assertThat(arena.isAlive()).isFalse();
        assertThat(pool.end(arena, block, generation, null)).isFalse();
    }

    @Test
    void aLeaseThatANativeCallUsesDoesNotEnd() {
        var arena = new FakeArena();
        arena.inUse = true;
        Block block = pool.acquire(256, arena, true);
        long generation = block.issue();
        assertThatIllegalStateException().isThrownBy(() -> pool.end(arena, block, generation, fence));
        assertThat(block.isActive(generation)).isTrue();
        assertThat(fence.retains()).as("the fence is released").isZero();
    }

    @Test
    void aFenceThatCannotBeRetainedEndsNothing() {
        Lease lease = lease(256);
        var destroyed = new DestroyedFence();
        assertThatIllegalStateException().isThrownBy(() -> lease.endWith(destroyed));
        assertThatIllegalStateException().isThrownBy(() -> pool.reset(destroyed));
        assertThat(lease.isActive()).isTrue();
    }

    private static final class DestroyedFence implements RetainedFence {
        @Override
        public void retain() {
            throw new IllegalStateException("the event is closed");
        }

        @Override
        public void release() {
            throw new AssertionError("it was not retained");
        }

        @Override
        public boolean isComplete() {
            return false;
        }

        @Override
        public void await() {}
    }

    @Test
    void aFenceOfTheCallersOwnKindCanBeUsed() {
        MlxFence own = new MlxFence() {
            @Override
            public boolean isComplete() {
                return false;
            }

            @Override
            public void await() {}
        };
        assertThat(lease(256).endWith(own)).isTrue();
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
    }

    @Test
    void trimmingReapsCompleteFencesAndReturnsTheFreedBytes() {
        lease(PAGE).endWith(fence);
        fence.complete();
        assertThat(pool.trim(PAGE)).isZero();
        assertThat(pool.trim(0)).isEqualTo(PAGE);
        assertThat(source.takeSteps()).containsExactly("allocate 16384", "free 16384");
    }

    @Test
    void changedLimitsHoldForMemoryOfCompleteFencesToo() {
        lease(PAGE).endWith(fence);
        fence.complete();
        pool.adjust(limits -> limits.withCacheLimit(0), false);
        assertThat(source.allocatedBytes()).isZero();
        assertThat(pool.limits().cacheLimit()).isZero();
    }

    @Test
    void aSnapshotHasNoEffect() {
        lease(PAGE).endWith(fence);
        fence.complete();
        assertThat(pool.snapshot().parkedCount()).isEqualTo(1);
        assertThat(pool.snapshot().deviceAllocatedBytes()).isEqualTo(PAGE);
        assertThat(pool.stats().parkedCount()).isZero();
    }

    @Test
    void closingFreesAllFreeMemoryAndStopsLeasing() {
        lease(PAGE).end();
        Lease parked = lease(2 * PAGE);
        parked.endWith(fence);
        fence.complete();
        pool.requireOpen();
        pool.close();
        assertThat(source.allocatedBytes()).isZero();
        assertThatIllegalStateException().isThrownBy(pool::requireOpen).withMessage("the pool is closed");
        assertThatIllegalStateException().isThrownBy(() -> lease(PAGE)).withMessage("the pool is closed");
        pool.close();
    }

    @Test
    void closingNamesTheLeasesThatAreActive() {
        pool = setup.leakDetection(LeakDetection.FULL).engine();
        Lease watched = watched(1000);
        Lease other = lease(2000);
        pool.close();
        assertThat(log.with("was closed with"))
                .containsExactly("pool pool was closed with 2 active buffer(s) of 3,072 bytes; they are freed when they"
                        + " are closed");
        assertThat(log.with("still active"))
                .containsExactly("still active when pool pool was closed: a buffer of 1000 bytes");
        assertThat(log.origins("still active")).hasSize(1);
        assertThat(other.end()).isTrue();
        assertThat(source.allocatedBytes()).as("it is freed at its end").isEqualTo(PAGE);
        watched.end();
        assertThat(source.allocatedBytes()).isZero();
        pool.close();
    }

    @Test
    void aDroppedLeaseIsEndedAndReported() {
        pool = setup.leakDetection(LeakDetection.FULL).engine();
        Lease lease = watched(1000);
        drop(lease);
        assertThat(log.with("leak"))
                .containsExactly("leak in pool pool: a buffer of 1000 bytes became garbage and had never been closed; 1"
                        + " native buffer(s) of 16384 bytes were freed");
        assertThat(log.origins()).first().extracting(Throwable::getMessage).isEqualTo("allocated here");
        assertThat(lease.isActive()).isFalse();
        assertThat(pool.leakedCount()).isEqualTo(1);
        assertThat(lease.block().watch).isNull();
        assertThat(source.takeSteps()).as("it is not reused").containsExactly("allocate 16384", "free 16384");
    }

    @Test
    void aDroppedLeaseThatAnotherThreadIsEndingIsNotReported() {
        pool = setup.leakDetection(LeakDetection.FULL).engine();
        var arena = new FakeArena();
        Lease lease = watchedWith(arena);
        arena.close();
        drop(lease);
        assertThat(lease.isActive()).isTrue();
        assertThat(pool.leakedCount()).isZero();
    }

    private Lease watchedWith(FakeArena arena) {
        Block block = pool.acquire(256, arena, true);
        var lease = new Lease(pool, block, block.issue());
        pool.watchSample(holder, block, lease.generation(), arena, 256);
        return lease;
    }

    @Test
    void theMemoryOfADroppedLeaseIsQuarantinedIfOthersShareItsBuffer() {
        pool = setup.leakDetection(LeakDetection.FULL).sizing(Sizing.COMPACT).engine();
        Lease other = lease(1000);
        drop(watched(1000));
        assertThat(log.with("leak"))
                .containsExactly("leak in pool pool: a buffer of 1000 bytes became garbage and had never been closed; 0"
                        + " native buffer(s) of 0 bytes were freed, and 1024 bytes are in quarantine until the rest of"
                        + " their native buffer is free");
        other.end();
        assertThat(source.allocatedBytes()).isZero();
    }

    @Test
    void theMemoryOfADroppedLeaseBelowAPageIsQuarantinedWhileOthersShareItsPage() {
        pool = setup.leakDetection(LeakDetection.FULL).engine();
        Lease other = lease(1000);
        Lease dropped = watched(1000);
        drop(dropped);
        assertThat(log.with("leak"))
                .containsExactly("leak in pool pool: a buffer of 1000 bytes became garbage and had never been closed; 0"
                        + " native buffer(s) of 0 bytes were freed, and 1024 bytes are in quarantine until the rest of"
                        + " their native buffer is free");
        assertThat(lease(1000).block()).isNotSameAs(dropped.block());
        pool.reset(null);
        assertThat(other.isActive()).isFalse();
        pool.trim(0);
        assertThat(source.allocatedBytes()).isZero();
    }

    @Test
    void aDroppedScopeIsEndedAndReported() {
        pool = setup.leakDetection(LeakDetection.FULL).engine();
        ScopeLeases scope = pool.newScopeLeases();
        Block block = pool.acquire(PAGE, null, false);
        block.issue();
        scope.add(block);
        Block early = pool.acquire(2 * PAGE, null, false);
        early.issue();
        scope.add(early);
        pool.end(null, early, early.generation(), scope.endedWith(null));
        Cleaner.Cleanable watch = pool.watchSample(holder, scope);
        assertThat(watch).isNotNull();
        watch.clean();
        assertThat(log.with("leak in pool pool: a scope with 2 buffer(s)")).hasSize(1);
        assertThat(pool.snapshot())
                .returns(0, stats -> stats.activeCount())
                .returns(0, stats -> stats.parkedCount())
                .returns(1, stats -> stats.cachedCount());
    }

    @Test
    void anUnwatchedScopeHasNothingToClean() {
        assertThat(pool.watchSample(holder, pool.newScopeLeases())).isNull();
        Lease lease = watched(1000);
        assertThat(lease.block().watch).as("an unwatched lease").isNull();
    }

    @Test
    void aDroppedLeaseThatAResetHasEndedIsNotReported() {
        pool = setup.leakDetection(LeakDetection.FULL).engine();
        pool.reset(null);
        Lease lease = watched(1000);
        drop(lease);
        assertThat(pool.leaks().awaitingResetCount()).isEqualTo(1);
        pool.reset(null);
        assertThat(lease.isActive()).isFalse();
        assertThat(pool.leaks().awaitingResetCount()).isZero();
        assertThat(pool.leakedCount()).isZero();
    }

    @Test
    void aDroppedLeaseThatNoResetHasEndedIsReportedWhenThePoolIsClosed() {
        pool = setup.leakDetection(LeakDetection.FULL).engine();
        pool.reset(null);
        drop(watched(1000));
        pool.close();
        assertThat(log.with("still active")).hasSize(1);
        assertThat(log.with("was closed with 1 active buffer(s)")).hasSize(1);
        assertThat(log.with("leak in pool pool")).hasSize(1);
    }

    @Test
    void aResetOfAClosedPoolExpectsNoOther() {
        pool = setup.leakDetection(LeakDetection.FULL).engine();
        Lease lease = watched(1000);
        pool.close();
        log.with("closed");
        pool.reset(null);
        assertThat(lease.isActive()).isFalse();
        assertThat(source.allocatedBytes()).isZero();
    }

    @Test
    void originsOfLeasesEndThemInTheirPool() {
        var arena = new FakeArena();
        var origin = new PooledOrigin(pool, arena);
        assertThat(origin.arena()).isSameAs(arena);
        Block block = pool.acquire(256, arena, true);
        long generation = block.issue();
        assertThat(origin.end(block, generation, fence)).isTrue();
        assertThat(origin.end(block, generation, null)).isFalse();
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
    }

    @Test
    void aPoolWhoseAllocationLogCannotBeCreatedIsNotBuilt() {
        assertThatThrownBy(() -> setup.allocationLog(Path.of("/no/such/directory/log.csv"))
                        .engine())
                .isInstanceOf(UncheckedIOException.class);
    }
}
