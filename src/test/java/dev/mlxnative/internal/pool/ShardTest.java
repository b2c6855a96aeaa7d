package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ShardTest {
    private final FakeMemorySource source = new FakeMemorySource();
    private final Shard shard = new Shard();
    private boolean caches;

    @AfterEach
    void noMethodLeavesTheLockLocked() {
        assertThat(shard.isLocked()).isFalse();
    }

    private Block leased(long capacity) {
        return leased(capacity, capacity);
    }

    private Block leased(long capacity, long byteLength) {
        Block block = Block.whole(source.allocate(capacity));
        shard.reserveSlot();
        shard.add(block, byteLength, null, true, false);
        block.issue();
        return block;
    }

    private void allowCaching(long bytes) {
        shard.allowCaching(bytes, bytes);
        caches = true;
    }

    private Block cached(long capacity) {
        if (!caches) {
            allowCaching(Long.MAX_VALUE);
        }
        Block block = leased(capacity);
        assertThat(end(block)).isEqualTo(LeaseEnd.CACHED);
        return block;
    }

    private LeaseEnd end(Block block) {
        return shard.end(block, block.generation(), true);
    }

    private Block leaseCached(long capacity) {
        return shard.leaseCached(capacity, capacity, null, true);
    }

    /** Removes a retiring block; returns the cached blocks that go with it. */
    private List<Block> remove(Block block) {
        var drained = new BlockList();
        shard.remove(block, drained);
        return Chain.blocks(drained.takeAll());
    }

    private List<Block> drainCache() {
        var drained = new BlockList();
        shard.drainCache(drained);
        return Chain.blocks(drained.takeAll());
    }

    private List<Block> stopCaching() {
        var drained = new BlockList();
        shard.allowCaching(0, 0);
        shard.drainCache(drained);
        return Chain.blocks(drained.takeAll());
    }

    private ShardTotals totals() {
        var totals = new ShardTotals();
        shard.addTo(totals);
        return totals;
    }

    @Test
    void aShardThatMayNotCacheHasEveryBlockRetired() {
        Block block = leased(1024);
        assertThat(end(block)).isEqualTo(LeaseEnd.RETIRING);
        assertThat(totals().activeCount)
                .as("it counts as active until it is removed")
                .isEqualTo(1);
        assertThat(remove(block)).isEmpty();
        assertThat(totals()).returns(0, figures -> figures.activeCount).returns(0L, figures -> figures.activeBytes);
        assertThat(leased(1024).slot).as("its slot is free").isEqualTo(block.slot);
    }

    @Test
    void aCachedBlockServesTheNextRequestOfItsCapacity() {
        Block block = cached(1024);
        assertThat(leaseCached(512)).isNull();
        assertThat(leaseCached(2048)).isNull();
        assertThat(leaseCached(1024)).isSameAs(block);
        assertThat(leaseCached(1024)).isNull();
    }

    @Test
    void theBlockThatWasCachedLastServesFirst() {
        Block first = cached(1024);
        Block second = cached(1024);
        assertThat(leaseCached(1024)).isSameAs(second);
        assertThat(leaseCached(1024)).isSameAs(first);
    }

    @Test
    void aLeaseOfACachedBlockBeginsWithItsOwnFigures() {
        Block block = cached(1024);
        try (Arena arena = Arena.ofConfined()) {
            assertThat(shard.leaseCached(1024, 1000, arena, false)).isSameAs(block);
            assertThat(block.requestedBytes).isEqualTo(1000);
            assertThat(block.resettable).isFalse();
            assertThat(block.leaseArena).isSameAs(arena);
        }
        block.issue();
        end(block);
        shard.leaseCached(1024, 1000, null, true);
        assertThat(block.resettable).isTrue();
        assertThat(block.leaseArena).as("the arena of an earlier lease").isNull();
    }

    @Test
    void aLeaseEndsOnce() {
        Block block = leased(1024);
        long generation = block.generation();
        allowCaching(4096);
        assertThat(shard.end(block, generation, true)).isEqualTo(LeaseEnd.CACHED);
        assertThat(shard.end(block, generation, true)).isEqualTo(LeaseEnd.ENDED_BEFORE);
        assertThat(shard.endCurrent(block, true)).isEqualTo(LeaseEnd.ENDED_BEFORE);
        assertThat(shard.endAndRemove(block, generation)).isFalse();
        assertThat(totals().cachedCount).isEqualTo(1);
    }

    @Test
    void aLeaseEndsInItsShardAlone() {
        Block block = leased(1024);
        var other = new Shard();
        assertThat(other.end(block, block.generation(), true)).isEqualTo(LeaseEnd.ENDED_BEFORE);
        assertThat(other.endAndRemove(block, block.generation())).isFalse();
        assertThat(block.isActive(block.generation())).isTrue();
        assertThat(Block.isLease(block.generation())).isTrue();
    }

    @Test
    void aLeaseCanEndWithoutBeingCached() {
        allowCaching(4096);
        Block block = leased(1024);
        assertThat(shard.end(block, block.generation(), false)).isEqualTo(LeaseEnd.RETIRING);
    }

    @Test
    void theCurrentLeaseOfABlockCanEnd() {
        allowCaching(4096);
        assertThat(shard.endCurrent(leased(1024), true)).isEqualTo(LeaseEnd.CACHED);
        assertThat(shard.endCurrent(leased(1024), false)).isEqualTo(LeaseEnd.RETIRING);
    }

    @Test
    void aPageRoundedBlockIsNotCached() {
        allowCaching(1 << 20);
        assertThat(end(leased(3 * FakeMemorySource.PAGE))).isEqualTo(LeaseEnd.RETIRING);
    }

    @Test
    void theCacheIsFullToTheLastByte() {
        allowCaching(3 * 1024);
        assertThat(end(leased(2048))).isEqualTo(LeaseEnd.CACHED);
        assertThat(end(leased(1024))).isEqualTo(LeaseEnd.CACHED);
        assertThat(end(leased(256))).isEqualTo(LeaseEnd.RETIRING);
    }

    @Test
    void aBlockAboveTheLargestIsNotCached() {
        shard.allowCaching(4096, 1024);
        Block large = leased(2048);
        assertThat(shard.caches(large)).isFalse();
        assertThat(end(large)).isEqualTo(LeaseEnd.RETIRING);
        assertThat(remove(large)).isEmpty();
        assertThat(shard.caches(leased(1024))).isTrue();
        assertThat(end(leased(1024))).isEqualTo(LeaseEnd.CACHED);
    }

    @Test
    void aBlockThatDoesNotFitAnyMoreTakesTheCacheWithIt() {
        allowCaching(2048);
        Block first = leased(1024);
        Block second = leased(512);
        end(first);
        end(second);
        Block tooMuch = leased(1024);
        end(tooMuch);
        assertThat(remove(tooMuch)).containsExactly(first, second);
        assertThat(totals()).returns(0, figures -> figures.cachedCount).returns(0L, figures -> figures.cachedBytes);
    }

    @Test
    void aBlockThatFitsLeavesTheCacheAsItIs() {
        allowCaching(2048);
        end(leased(1024));
        Block fitting = leased(1024);
        shard.end(fitting, fitting.generation(), false);
        assertThat(remove(fitting)).isEmpty();
        assertThat(totals().cachedCount).isEqualTo(1);
    }

    @Test
    void aBlockThatIsLargerThanTheWholeCacheLeavesItAsItIs() {
        allowCaching(2048);
        end(leased(1024));
        Block large = leased(4096);
        end(large);
        assertThat(remove(large)).isEmpty();
        Block asLargeAsTheCache = leased(2048);
        end(asLargeAsTheCache);
        assertThat(remove(asLargeAsTheCache)).hasSize(1);
    }

    @Test
    void aShardThatMayNotCacheAnyMoreTakesNothingWithABlock() {
        allowCaching(2048);
        Block block = leased(1024);
        stopCaching();
        end(block);
        assertThat(remove(block)).isEmpty();
    }

    @Test
    void fewBlocksOfABinAreComparedWithARequest() {
        Block wanted = cached(1024);
        // Not a power of two, but in the same bin: only a test gets such blocks cached.
        List<Block> others = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            Block other = leased(1024);
            end(other);
            other.setBounds(0, 1025 + i);
            others.add(other);
        }
        assertThat(leaseCached(1024)).as("the fourth block of its bin").isSameAs(wanted);
        assertThat(others).extracting(other -> leaseCached(other.capacity())).containsExactlyElementsOf(others);
    }

    @Test
    void theSearchEndsAfterFourBlocks() {
        cached(1024);
        for (int i = 0; i < 4; i++) {
            Block other = leased(1024);
            end(other);
            other.setBounds(0, 1025 + i);
        }
        assertThat(leaseCached(1024)).isNull();
    }

    @Test
    void aBlockInTheMiddleOfABinCanBeTaken() {
        Block first = cached(1024);
        Block middle = cached(1024);
        middle.setBounds(0, 1025);
        Block last = cached(1024);
        last.setBounds(0, 1026);
        assertThat(leaseCached(1025)).isSameAs(middle);
        assertThat(leaseCached(1026)).isSameAs(last);
        assertThat(leaseCached(1024)).isSameAs(first);
    }

    @Test
    void aCachedBlockCanBeRemoved() {
        Block block = cached(1024);
        int slot = block.slot;
        assertThat(shard.takeCached(512)).isNull();
        assertThat(shard.takeCached(1024)).isSameAs(block);
        assertThat(shard.takeCached(1024)).isNull();
        assertThat(leased(1024).slot).as("its slot is free").isEqualTo(slot);
    }

    @Test
    void theWholeCacheIsDrainedInTheOrderOfCaching() {
        Block first = cached(4096);
        Block second = cached(256);
        Block third = cached(1L << 33);
        Block fourth = cached(256);
        assertThat(drainCache()).containsExactly(first, second, third, fourth);
        assertThat(drainCache()).isEmpty();
        assertThat(leaseCached(256)).isNull();
        assertThat(leaseCached(4096)).isNull();
        assertThat(totals()).returns(0, figures -> figures.cachedCount).returns(0L, figures -> figures.cachedBytes);
        assertThat(leased(256).slot).as("the slots are free").isEqualTo(fourth.slot);
        Block next = cached(256);
        assertThat(drainCache()).as("the shard caches again").containsExactly(next);
    }

    @Test
    void theCacheIsDrainedInTheOrderOfCachingWhateverWasTaken() {
        var random = new Random(7);
        for (int round = 0; round < 50; round++) {
            List<Block> expected = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                long capacity = 256L << random.nextInt(4);
                Block taken = random.nextInt(3) == 0 ? shard.takeCached(capacity) : null;
                if (taken != null) {
                    expected.remove(taken);
                } else {
                    expected.add(cached(capacity));
                }
            }
            assertThat(drainCache()).containsExactlyElementsOf(expected);
        }
    }

    @Test
    void drainedBlocksFollowThoseThatTheListHas() {
        Block earlier = Block.whole(source.allocate(256));
        Block first = cached(1024);
        Block second = cached(256);
        BlockList drained = Chain.list(earlier);
        shard.drainCache(drained);
        assertThat(drained.count()).isEqualTo(3);
        assertThat(Chain.blocks(drained.takeAll())).containsExactly(earlier, first, second);
    }

    @Test
    void aBinThatWasEmptiedDrainsNothing() {
        cached(256);
        Block other = cached(1024);
        leaseCached(256);
        assertThat(drainCache()).containsExactly(other);
    }

    @Test
    void cachingCanBeStopped() {
        Block block = cached(1024);
        Block active = leased(1024);
        assertThat(stopCaching()).containsExactly(block);
        assertThat(end(active)).isEqualTo(LeaseEnd.RETIRING);
    }

    @Test
    void anEndedLeaseCanBeRemovedAtOnce() {
        Block block = leased(1024, 1000);
        assertThat(shard.endAndRemove(block, block.generation() + 2)).isFalse();
        assertThat(totals().activeCount).isEqualTo(1);
        assertThat(shard.endAndRemove(block, block.generation())).isTrue();
        assertThat(totals())
                .returns(0, figures -> figures.activeCount)
                .returns(0L, figures -> figures.activeBytes)
                .returns(0L, figures -> figures.requestedBytes);
        assertThat(leased(1024).slot).as("its slot is free").isEqualTo(block.slot);
    }

    @Test
    void theShardGrowsWithItsLeases() {
        for (int i = 0; i < 200; i++) {
            leased(256);
        }
        assertThat(totals().activeCount).isEqualTo(200);
    }

    @Test
    void aResetEndsTheLeasesOfTheShard() {
        Block resettable = leased(256);
        shard.reserveSlot();
        Block other = Block.whole(source.allocate(256));
        shard.add(other, 256, null, false, false);
        other.issue();
        cached(256);
        assertThat(IntStream.range(0, shard.usedSlots()).mapToObj(shard::resettableAt))
                .containsExactly(resettable, null, null);
    }

    @Test
    void theFiguresCountLeasesAndTheCache() {
        allowCaching(1 << 20);
        Block first = leased(1024, 1000);
        leased(2048, 1500);
        assertThat(end(first)).isEqualTo(LeaseEnd.CACHED);
        assertThat(totals())
                .returns(0L, figures -> figures.hits)
                .returns(1, figures -> figures.activeCount)
                .returns(2048L, figures -> figures.activeBytes)
                .returns(1500L, figures -> figures.requestedBytes)
                .returns(3072L, figures -> figures.peakActiveBytes)
                .returns(1, figures -> figures.cachedCount)
                .returns(1024L, figures -> figures.cachedBytes);
        shard.leaseCached(1024, 600, null, true);
        assertThat(totals())
                .returns(1L, figures -> figures.hits)
                .returns(2, figures -> figures.activeCount)
                .returns(3072L, figures -> figures.activeBytes)
                .returns(2100L, figures -> figures.requestedBytes)
                .returns(0, figures -> figures.cachedCount)
                .returns(0L, figures -> figures.cachedBytes);
    }

    @Test
    void theFiguresOfSeveralShardsAddUp() {
        leased(1024, 1000);
        cached(256);
        shard.reserveSlot();
        shard.add(Block.whole(source.allocate(512)), 500, null, true, true);
        var totals = new ShardTotals();
        shard.addTo(totals);
        shard.addTo(totals);
        assertThat(totals)
                .returns(2L, figures -> figures.hits)
                .returns(4, figures -> figures.activeCount)
                .returns(2L * (1024 + 512), figures -> figures.activeBytes)
                .returns(2L * (1000 + 500), figures -> figures.requestedBytes)
                .returns(2L * (1024 + 512), figures -> figures.peakActiveBytes)
                .returns(2, figures -> figures.cachedCount)
                .returns(2L * 256, figures -> figures.cachedBytes);
    }

    private static Stream<Arguments> operations() {
        return Stream.<Arguments>of(
                operation("leaseCached", shard -> shard.leaseCached(256, 256, null, true)),
                operation("add", shard -> shard.add(unused(), 256, null, true, false)),
                operation("end", shard -> shard.end(unused(), 1, true)),
                operation("endAndRemove", shard -> shard.endAndRemove(unused(), 1)),
                operation("remove", shard -> shard.remove(unused(), new BlockList())),
                operation("takeCached", shard -> shard.takeCached(256)),
                operation("drainCache", shard -> shard.drainCache(new BlockList())),
                operation("allowCaching", shard -> shard.allowCaching(1, 1)),
                operation("drainCache", shard -> shard.drainCache(new BlockList())));
    }

    private static Arguments operation(String name, Consumer<Shard> operation) {
        return Arguments.of(name, operation);
    }

    private static Block unused() {
        return Block.whole(new FakeMemorySource().allocate(256));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("operations")
    void everyOperationWaitsForTheLock(String name, Consumer<Shard> operation) {
        cached(256);
        shard.lock();
        Thread thread = Thread.ofPlatform().daemon().start(() -> operation.accept(shard));
        try {
            Waiting.until("the thread waits or has ended", () -> Waiting.isAsleep(thread) || !thread.isAlive());
            assertThat(thread.isAlive()).as("it waits").isTrue();
        } finally {
            shard.unlock();
        }
        Waiting.untilEnded(thread);
    }
}
