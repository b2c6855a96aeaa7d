package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.mlxnative.MlxFence;
import dev.mlxnative.internal.device.ProgramBound;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class ScopeLeasesTest {
    private final FakeFence fence = new FakeFence();
    private final PoolEngine pool = new PoolSetup().engine();
    private final ScopeLeases leases = pool.newScopeLeases();
    private final List<Block> blocks = new ArrayList<>();

    private Block lease(@Nullable Arena leaseArena) {
        Block block = pool.acquire(PAGE, leaseArena, false);
        block.issue();
        leases.reserveRoom();
        leases.add(block);
        blocks.add(block);
        return block;
    }

    private Block lease() {
        return lease(null);
    }

    private static boolean isLeased(Block block) {
        return Block.isLease(block.generation());
    }

    /** Ends a lease before its scope ends. */
    private void endEarly(Block block, MlxFence withFence) {
        assertThat(pool.end(null, block, block.generation(), withFence)).isTrue();
    }

    /** The leak detector may take a scope for dropped while it is being closed. It must not end later leases then. */
    @Test
    void aScopeEndsOnce() {
        Block block = lease();
        assertThat(Chain.blocks(leases.end())).containsExactly(block);
        pool.abandon(block);
        Block next = pool.acquire(PAGE, null, false);
        long generation = next.issue();
        assertThat(next).isSameAs(block);
        assertThat(leases.end()).isNull();
        leases.endAll();
        assertThat(next.isActive(generation)).isTrue();
    }

    @Test
    void aScopeCountsItsLeases() {
        assertThat(leases.count()).isZero();
        assertThat(leases.areActive()).isFalse();
        lease();
        lease();
        assertThat(leases.count()).isEqualTo(2);
        assertThat(leases.areActive()).isTrue();
        assertThat(leases).hasToString("a scope with 2 buffer(s)");
        assertThat(leases.endWithReset()).isFalse();
    }

    @Test
    void endingTheScopeEndsItsLeases() {
        lease();
        lease();
        leases.endAll();
        assertThat(blocks).noneMatch(ScopeLeasesTest::isLeased);
        assertThat(leases.areActive()).isFalse();
        assertThat(pool.snapshot()).returns(0, stats -> stats.activeCount()).returns(2, stats -> stats.cachedCount());
    }

    @Test
    void memoryThatIsReleasedEarlyWaitsForTheEndOfTheScope() {
        endEarly(lease(), leases.endedWith(null));
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
        leases.endAll();
        assertThat(pool.snapshot().parkedCount()).isZero();
    }

    @Test
    void memoryThatIsReleasedEarlyWithAFenceWaitsForBoth() {
        endEarly(lease(), leases.endedWith(fence));
        fence.complete();
        assertThat(pool.stats().parkedCount()).as("the scope is open").isEqualTo(1);
        leases.endAll();
        assertThat(pool.snapshot().parkedCount()).isZero();
        assertThat(fence.retains()).isZero();
    }

    @Test
    void memoryThatIsReleasedEarlyWithAFenceWaitsForTheFenceAfterTheScope() {
        endEarly(lease(), leases.endedWith(fence));
        assertThat(fence.retains()).isEqualTo(1);
        leases.endAll();
        assertThat(pool.stats().parkedCount()).as("the fence is not complete").isEqualTo(1);
        fence.complete();
        assertThat(pool.stats().parkedCount()).isZero();
    }

    @Test
    void memoryThatIsReleasedWithTheSameFenceWaitsForOneObject() {
        MlxFence first = leases.endedWith(fence);
        assertThat(leases.endedWith(fence)).isSameAs(first);
        MlxFence other = leases.endedWith(new FakeFence());
        assertThat(other).isNotSameAs(first);
        assertThat(leases.endedWith(null)).isSameAs(leases.endedWith(null)).isNotSameAs(first);
    }

    @Test
    void theFenceOfAnOpenScopeIsNotWaitedFor() {
        MlxFence end = leases.endedWith(null);
        MlxFence both = leases.endedWith(fence);
        assertThat(ProgramBound.waitsForProgram(end)).isTrue();
        assertThat(ProgramBound.waitsForProgram(both)).isTrue();
        leases.endAll();
        assertThat(ProgramBound.waitsForProgram(end)).isFalse();
        assertThat(ProgramBound.waitsForProgram(both)).isFalse();
        assertThat(end.isComplete()).isTrue();
        assertThat(both.isComplete()).isFalse();
        assertThat(ProgramBound.waitsForProgram(fence))
                .as("a fence of no scope")
                .isFalse();
    }

    @Test
    void aThreadCanWaitForTheScopeAndTheFence() {
        Thread waitsForScope = await(leases.endedWith(null));
        Thread waitsForBoth = await(leases.endedWith(fence));
        Waiting.untilAsleep(waitsForScope);
        Waiting.untilAsleep(waitsForBoth);
        assertThat(fence.waiting()).as("the scope comes first").isZero();
        leases.endAll();
        Waiting.untilEnded(waitsForScope);
        Waiting.until("the thread waits for the fence", () -> fence.waiting() == 1);
        fence.complete();
        Waiting.untilEnded(waitsForBoth);
    }

    private static Thread await(MlxFence fence) {
        return Thread.ofPlatform().daemon().start(() -> {
            try {
                fence.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        });
    }

    @Test
    void leasesCanEndOneByOneAndWaitForTheEndOfTheScope() {
        lease(new FakeArena());
        lease(new FakeArena());
        Block early = lease(new FakeArena());
        endEarly(early, leases.endedWith(null));
        leases.endOneByOne();
        assertThat(blocks).noneMatch(ScopeLeasesTest::isLeased);
        assertThat(pool.stats()).returns(3, stats -> stats.parkedCount()).returns(0, stats -> stats.activeCount());
        leases.endAll();
        assertThat(pool.snapshot()).returns(0, stats -> stats.parkedCount()).returns(3, stats -> stats.cachedCount());
    }

    @Test
    void aLeaseThatANativeCallUsesKeepsThoseAfterIt() {
        Block first = lease(new FakeArena());
        var arena = new FakeArena();
        Block used = lease(arena);
        Block last = lease(new FakeArena());
        arena.inUse = true;
        assertThatIllegalStateException().isThrownBy(leases::endOneByOne);
        assertThat(isLeased(first)).isFalse();
        assertThat(isLeased(used)).isTrue();
        assertThat(isLeased(last)).isTrue();
    }

    @Test
    void anUnreachableScopeEndsLeasesThatAreInUseLater() {
        Block first = lease(new FakeArena());
        var inUse = new FakeArena();
        Block used = lease(inUse);
        inUse.inUse = true;
        Block last = lease(new FakeArena());
        assertThat(Chain.blocks(leases.end())).containsExactly(first, last);
        assertThat(leases.areActive()).isTrue();
        assertThatIllegalStateException()
                .isThrownBy(leases::end)
                .withMessage("1 buffer(s) of a scope cannot be released yet");
        assertThat(isLeased(used)).isTrue();
        inUse.inUse = false;
        assertThat(Chain.blocks(leases.end())).containsExactly(used);
        assertThat(leases.areActive()).isFalse();
        assertThat(leases.end()).isNull();
    }

    @Test
    void anUnreachableScopeLeavesLeasesThatAreConfinedToItsThread() {
        var confined = new FakeArena();
        Block left = lease(confined);
        confined.ofAnotherThread = true;
        Block last = lease(new FakeArena());
        assertThat(Chain.blocks(leases.end())).containsExactly(last);
        assertThat(leases.areActive()).isFalse();
        assertThat(isLeased(left)).isTrue();
    }

    @Test
    void completingAnUnreachableScopeFreesWhatWaitsForIt() {
        endEarly(lease(), leases.endedWith(null));
        endEarly(lease(), leases.endedWith(fence));
        fence.complete();
        leases.end();
        assertThat(pool.snapshot().parkedCount()).isEqualTo(2);
        leases.complete();
        assertThat(pool.snapshot().parkedCount()).isZero();
    }
}
