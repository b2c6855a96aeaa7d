package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.Sizing;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the shards of a compact pool cache. */
class CompactCachesTest {
    private final StateSetup pool = new StateSetup(new PoolSetup().sizing(Sizing.COMPACT));

    /** Has a chunk of this size in the free space, after which the shards may cache. */
    private void provide(long bytes) {
        pool.free(pool.leaseNew(bytes));
    }

    private List<Block> leasePages(int count) {
        List<Block> blocks = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            blocks.add(pool.lease(PAGE));
        }
        return blocks;
    }

    @Test
    void aSmallBlockServesTheNextRequestOfItsCapacity() {
        provide(8 * PAGE);
        Block block = pool.lease(1000);
        pool.cache(block);
        assertThat(pool.shard.leaseCached(pool.state.cachedCapacity(700), 700, null, true))
                .as("a request of fewer granules")
                .isNull();
        assertThat(pool.shard.leaseCached(pool.state.cachedCapacity(800), 800, null, true))
                .isSameAs(block);
        assertThat(block.capacity()).isEqualTo(1024);
    }

    @Test
    void aShardCachesAFewPagesOfSmallBlocks() {
        provide(8 * PAGE);
        List<Block> blocks = leasePages(5);
        Block large = pool.lease(PAGE + 1);
        assertThat(pool.shard.caches(large)).isFalse();
        assertThat(pool.shard.end(large, large.generation(), true)).isEqualTo(LeaseEnd.RETIRING);
        blocks.subList(0, 4).forEach(pool::cache);
        Block fifth = blocks.get(4);
        assertThat(pool.shard.end(fifth, fifth.generation(), true)).isEqualTo(LeaseEnd.RETIRING);
    }

    @Test
    void whatAShardHasNoRoomForMovesItsCacheToTheFreeSpace() {
        provide(8 * PAGE);
        List<Block> blocks = leasePages(5);
        blocks.subList(0, 4).forEach(pool::cache);
        assertThat(pool.stats().cachedCount()).as("the blocks and the rest").isEqualTo(5);
        pool.releases.freeRetiring(pool.retire(blocks.get(4)));
        assertThat(pool.stats().cachedCount()).as("coalesced").isEqualTo(1);
    }

    @Test
    void aShardCachesMoreWhileMuchIsLeased() {
        provide(8 * PAGE);
        Block block = pool.lease(2 * PAGE);
        assertThat(pool.shard.caches(block)).isFalse();
        Block large = pool.leaseNew(128L * pool.shards.count() * 8 * PAGE);
        assertThat(pool.allocations.reuse(pool.shard, large.capacity(), null, true))
                .as("the search moves the caches")
                .isNull();
        assertThat(pool.shard.caches(block)).isTrue();
        pool.free(large);
        pool.maintenance.trim(0, TrimCause.REQUESTED);
        assertThat(pool.shard.caches(block)).as("little is leased").isFalse();
    }

    @Test
    void cachedBlocksAreCoalescedBeforeTheDeviceIsAsked() {
        provide(4 * PAGE);
        leasePages(4).forEach(pool::cache);
        assertThat(pool.lease(4 * PAGE).capacity()).isEqualTo(4 * PAGE);
        assertThat(pool.source.takeSteps()).as("new memory").isEmpty();
    }

    @Test
    void cachedBlocksOfOtherShardsAreCoalescedToo() {
        provide(4 * PAGE);
        Shard other = pool.shards.get(pool.shards.count() - 1);
        pool.cache(pool.lease(other, PAGE));
        Block rest = pool.lease(3 * PAGE);
        assertThat(pool.allocations.reuse(pool.shard, PAGE + 1, null, true)).isNull();
        pool.free(rest);
        assertThat(pool.lease(4 * PAGE).offset()).isZero();
        assertThat(pool.source.takeSteps()).as("new memory").isEmpty();
    }

    @Test
    void cachedBlocksCountAsCachedBytes() {
        provide(4 * PAGE);
        Block block = pool.lease(1000);
        pool.lease(PAGE);
        pool.cache(block);
        assertThat(pool.stats())
                .returns(1, stats -> stats.activeCount())
                .returns(PAGE, stats -> stats.activeBytes())
                .returns(4 * PAGE, stats -> stats.cachedBytes())
                .returns(5 * PAGE, stats -> stats.deviceAllocatedBytes());
    }

    @Test
    void aPoolThatKeepsNoFreeMemoryCachesNothing() {
        var strict = new StateSetup(new PoolSetup().sizing(Sizing.COMPACT).limits(limits -> limits.withCacheLimit(0)));
        Block block = strict.lease(1000);
        Block other = strict.lease(1000);
        strict.free(other);
        assertThat(strict.shard.end(block, block.generation(), true)).isEqualTo(LeaseEnd.RETIRING);
    }

    @Test
    void aCompactPoolIsNeverUnderPressure() {
        var limited = new StateSetup(
                new PoolSetup().sizing(Sizing.COMPACT).limits(limits -> limits.withMemoryLimit(8 * PAGE)));
        limited.lease(7 * PAGE);
        limited.free(limited.lease(PAGE - 256));
        Block block = limited.lease(PAGE / 2);
        limited.cache(block);
        limited.lease(PAGE / 4);
        assertThat(limited.shard.leaseCached(PAGE / 2, PAGE / 2, null, true)).isSameAs(block);
    }
}
