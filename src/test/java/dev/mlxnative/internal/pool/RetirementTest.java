package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.mlxnative.LeakDetection;
import dev.mlxnative.Sizing;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** The ends of leases, and what becomes of their memory. */
class RetirementTest {
    private static final byte RELEASED = (byte) 0xA5;

    private final PoolSetup setup = new PoolSetup();
    private final FakeMemorySource source = setup.source;
    private final FakeFence fence = new FakeFence();
    private PoolEngine pool = setup.engine();

    private Lease lease(long byteLength) {
        return Lease.of(pool, byteLength);
    }

    private void checked() {
        pool = setup.checked().engine();
    }

    /** Lets the shards cache: they may after memory has become free. */
    private void allowCaching() {
        lease(2 * PAGE).end();
    }

    private static boolean isCached(Block block) {
        return block.shard().takeCached(block.capacity()) == block;
    }

    private static byte[] bytes(Block block) {
        return block.segment().toArray(JAVA_BYTE);
    }

    @Test
    void aLeaseEndsOnce() {
        Lease lease = lease(PAGE);
        assertThat(lease.end()).isTrue();
        assertThat(lease.isActive()).isFalse();
        assertThat(lease.end()).isFalse();
        assertThat(lease.endWith(fence)).isFalse();
        assertThat(pool.stats()).returns(1, stats -> stats.cachedCount()).returns(0, stats -> stats.parkedCount());
    }

    @Test
    void aPageRoundedLeaseEndsOnce() {
        Lease lease = lease(65 * PAGE);
        assertThat(lease.capacity()).isEqualTo(65 * PAGE);
        assertThat(lease.end()).isTrue();
        assertThat(lease.end()).isFalse();
        assertThat(pool.stats()).returns(1, stats -> stats.cachedCount()).returns(0, stats -> stats.activeCount());
    }

    @Test
    void aPageRoundedBlockIsParkedWithItsFence() {
        lease(65 * PAGE).endWith(fence);
        assertThat(pool.stats()).returns(1, stats -> stats.parkedCount()).returns(0, stats -> stats.cachedCount());
    }

    @Test
    void aPageRoundedBlockThatNoLimitAllowsIsFreedAtOnce() {
        pool = setup.withoutCache().engine();
        lease(65 * PAGE).end();
        assertThat(source.takeSteps()).containsExactly("allocate 1064960", "free 1064960");
    }

    @Test
    void theBlockOfALeaseWithoutObserversIsCachedInItsShard() {
        allowCaching();
        Lease lease = lease(1024);
        lease.end();
        assertThat(isCached(lease.block())).isTrue();
    }

    @Test
    void theBlockOfALabelledLeaseLosesItsLabelAndIsFree() {
        allowCaching();
        Lease lease = lease(1024);
        lease.block().setLabelled();
        lease.end();
        assertThat(isCached(lease.block())).isFalse();
        assertThat(source.labelsRemoved()).isEqualTo(1);
        assertThat(lease.block().labelled).isFalse();
        lease(1024).end();
        assertThat(source.labelsRemoved()).as("the next lease has no label").isEqualTo(1);
    }

    @Test
    void aLabelStaysUntilTheFenceIsComplete() {
        Lease lease = lease(1024);
        lease.block().setLabelled();
        lease.endWith(fence);
        assertThat(source.labelsRemoved()).isZero();
        fence.complete();
        pool.stats();
        assertThat(source.labelsRemoved()).isEqualTo(1);
    }

    @Test
    void aWatchedLeaseIsWatchedNoMore() {
        pool = setup.leakDetection(LeakDetection.FULL).engine();
        allowCaching();
        Lease lease = lease(1024);
        pool.watchSample(new Object(), lease.block(), lease.generation(), null, 1000);
        assertThat(pool.leaks().activeCount()).isEqualTo(1);
        lease.end();
        assertThat(isCached(lease.block())).isFalse();
        assertThat(lease.block().watch).isNull();
        assertThat(pool.leaks().activeCount()).isZero();
        Lease next = lease(1024);
        next.end();
        assertThat(isCached(next.block())).as("the next lease is not watched").isTrue();
    }

    @Test
    void theWatchOfALeaseIsCleanedAtItsEnd() {
        Lease lease = lease(1024);
        var cleanings = new AtomicInteger();
        lease.block().watch = cleanings::incrementAndGet;
        lease.end();
        assertThat(cleanings).hasValue(1);
        assertThat(lease.block().watch).isNull();
    }

    @Test
    void leasesThatEndTogetherEndUnderTheLocksOfTheirShards() {
        Lease lease = lease(1024);
        ScopeLeases scope = pool.newScopeLeases();
        scope.add(lease.block());
        assertWaitsForShard(lease, scope::endAll);
        assertWaitsForShard(lease(1024), () -> pool.reset(null));
        checked();
        assertWaitsForShard(lease(1024), () -> pool.reset(null));
    }

    private static void assertWaitsForShard(Lease lease, Runnable end) {
        Shard shard = lease.block().shard();
        shard.lock();
        Thread thread = Thread.ofPlatform().daemon().start(end);
        try {
            Waiting.until("the thread waits or has ended", () -> Waiting.isAsleep(thread) || !thread.isAlive());
            assertThat(lease.isActive()).isTrue();
            assertThat(thread.isAlive()).as("it waits").isTrue();
        } finally {
            shard.unlock();
        }
        Waiting.untilEnded(thread);
        assertThat(lease.isActive()).isFalse();
    }

    @Test
    void aCheckedPoolFillsReleasedMemory() {
        checked();
        Lease lease = lease(256);
        lease.block().segment().fill((byte) 7);
        lease.end();
        assertThat(bytes(lease.block())).containsOnly(RELEASED);
    }

    @Test
    void aPoolThatIsNotCheckedLeavesReleasedMemoryAsItIs() {
        source.isTouchable = true;
        Lease lease = lease(256);
        lease.block().segment().fill((byte) 7);
        lease.end();
        assertThat(bytes(lease.block())).containsOnly(7);
    }

    @Test
    void aCheckedPoolFillsParkedMemoryWhenItsFenceIsComplete() {
        checked();
        Lease lease = lease(256);
        lease.block().segment().fill((byte) 7);
        lease.endWith(fence);
        pool.stats();
        assertThat(bytes(lease.block())).as("the GPU may still read it").containsOnly(7);
        fence.complete();
        pool.stats();
        assertThat(bytes(lease.block())).containsOnly(RELEASED);
    }

    @Test
    void memoryIsParkedUntilItsFenceIsComplete() {
        Lease lease = lease(PAGE);
        assertThat(lease.endWith(fence)).isTrue();
        assertThat(pool.stats()).returns(1, stats -> stats.parkedCount()).returns(0, stats -> stats.activeCount());
        assertThat(fence.retains()).isEqualTo(1);
        fence.complete();
        assertThat(pool.stats()).returns(0, stats -> stats.parkedCount()).returns(1, stats -> stats.cachedCount());
        assertThat(fence.retains()).isZero();
    }

    @Test
    void aFenceThatIsCompleteParksNothing() {
        fence.complete();
        lease(PAGE).endWith(fence);
        assertThat(pool.snapshot()).returns(0, stats -> stats.parkedCount()).returns(1, stats -> stats.cachedCount());
        assertThat(fence.retains()).isZero();
    }

    @Test
    void aBlockThatWasNotIssuedCanBeAbandoned() {
        Block block = pool.acquire(PAGE, null, true);
        pool.abandon(block);
        assertThat(pool.snapshot()).returns(0, stats -> stats.activeCount()).returns(1, stats -> stats.cachedCount());
    }

    @Test
    void aResetEndsAllLeasesThatAllowIt() {
        allowCaching();
        List<Lease> leases = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            leases.add(lease(i % 2 == 0 ? 256 : 65 * PAGE));
        }
        Block other = pool.acquire(1024, null, false);
        long generation = other.issue();
        pool.reset(null);
        assertThat(leases).noneMatch(Lease::isActive);
        assertThat(other.isActive(generation)).isTrue();
        assertThat(pool.stats()).returns(1, stats -> stats.activeCount()).returns(0, stats -> stats.parkedCount());
    }

    @Test
    void aResetCachesBlocksWithoutObservers() {
        allowCaching();
        Lease lease = lease(1024);
        pool.reset(null);
        assertThat(isCached(lease.block())).isTrue();
    }

    @Test
    void aResetWithAFenceParksTheMemory() {
        allowCaching();
        lease(1024);
        lease(2048);
        pool.reset(fence);
        assertThat(pool.stats()).returns(2, stats -> stats.parkedCount()).returns(0, stats -> stats.activeCount());
        assertThat(fence.retains()).isEqualTo(1);
        fence.complete();
        assertThat(pool.stats().parkedCount()).isZero();
        assertThat(fence.retains()).isZero();
    }

    @Test
    void aResetOfACheckedPoolEndsLeasesOneByOne() {
        checked();
        Lease first = lease(PAGE);
        var arena = new FakeArena();
        Block second = pool.acquire(PAGE, arena, true);
        long generation = second.issue();
        pool.reset(null);
        assertThat(first.isActive()).isFalse();
        assertThat(second.isActive(generation)).isFalse();
        assertThat(arena.isAlive()).isFalse();
        assertThat(pool.stats()).returns(0, stats -> stats.activeCount()).returns(2, stats -> stats.cachedCount());
    }

    @Test
    void aResetOfACheckedPoolLeavesALeaseThatANativeCallUses() {
        checked();
        var arena = new FakeArena();
        arena.inUse = true;
        Block used = pool.acquire(256, arena, true);
        long generation = used.issue();
        Lease other = lease(256);
        assertThatIllegalStateException().isThrownBy(() -> pool.reset(fence)).withMessageContaining("native call");
        assertThat(used.isActive(generation)).isTrue();
        assertThat(other.isActive()).isFalse();
        assertThat(pool.stats()).returns(1, stats -> stats.activeCount()).returns(1, stats -> stats.parkedCount());
        assertThat(fence.retains()).as("by the parked memory").isEqualTo(1);
    }

    @Test
    void theBlockOfAClosedArenaEndsByTheCallThatClosedIt() {
        var arena = new FakeArena();
        Block block = pool.acquire(256, arena, true);
        long generation = block.issue();
        arena.close();
        assertThat(pool.end(arena, block, generation, null)).isFalse();
        assertThat(block.isActive(generation)).isTrue();
    }

    @Test
    void theLeasesOfAScopeEndTogether() {
        allowCaching();
        ScopeLeases scope = pool.newScopeLeases();
        List<Block> blocks = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            Block block = pool.acquire(i % 3 == 0 ? 65 * PAGE : PAGE, null, false);
            block.issue();
            scope.add(block);
            blocks.add(block);
        }
        Block ended = blocks.get(7);
        pool.end(null, ended, ended.generation(), null);
        long generation = ended.generation();
        scope.endAll();
        assertThat(blocks).noneMatch(block -> Block.isLease(block.generation()));
        assertThat(ended.generation())
                .as("a lease that had ended stays as it is")
                .isEqualTo(generation);
        assertThat(pool.stats()).returns(0, stats -> stats.activeCount()).returns(201, stats -> stats.cachedCount());
    }

    @Test
    void theLeasesOfAScopeEndInTheirShards() throws Exception {
        allowCaching();
        ScopeLeases scope = pool.newScopeLeases();
        List<Block> blocks = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            Thread thread = Thread.ofPlatform().start(() -> {
                Block block = pool.acquire(256, null, false);
                block.issue();
                blocks.add(block);
            });
            thread.join();
        }
        assertThat(blocks)
                .extracting(Block::shard)
                .as("several shards")
                .doesNotContainNull()
                .hasSizeGreaterThan(1);
        blocks.forEach(scope::add);
        scope.endAll();
        assertThat(pool.stats().activeCount()).isZero();
        assertThat(blocks).noneMatch(block -> block.shard().isLocked());
    }

    @Test
    void compactPoolsEndLeasesToo() {
        pool = setup.sizing(Sizing.COMPACT).engine();
        Lease lease = lease(1000);
        lease(1000);
        assertThat(lease.end()).isTrue();
        assertThat(lease.end()).isFalse();
        assertThat(pool.stats())
                .returns(1, stats -> stats.activeCount())
                .returns(1024L, stats -> stats.activeBytes())
                .returns(PAGE - 1024, stats -> stats.cachedBytes());
    }
}
