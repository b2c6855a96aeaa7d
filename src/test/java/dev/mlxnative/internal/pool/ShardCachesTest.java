package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ShardCachesTest {
    private static final long CACHE_LIMIT = 1024 * PAGE;

    private final FakeMemorySource source = new FakeMemorySource();
    private final LimitSettings limits = PoolSetup.NO_LIMITS.withCacheLimit(CACHE_LIMIT);
    private final Shards shards = new Shards();
    private final Shard shard = shards.get(0);
    private final SegregatedFreeLists free = new SegregatedFreeLists(PAGE);
    private final MemoryBudget budget = new MemoryBudget(limits);
    private final SizeRounding rounding =
            new SizeRounding(256, Long.MAX_VALUE, PAGE, FakeMemorySource.MAX_BUFFER_LENGTH);
    private final ShardCaches caches = new ShardCaches(new CacheRule(false, PAGE, 256), shards, free, budget);

    private Block leased(Shard inShard, long capacity) {
        Block block = free.addNew(rounding, source.allocate(capacity), capacity);
        budget.reserve(capacity);
        inShard.reserveSlot();
        caches.lease(block, inShard, capacity, null, true, false);
        block.issue();
        return block;
    }

    private Block leased(long capacity) {
        return leased(shard, capacity);
    }

    private LeaseEnd end(Block block) {
        return block.shard().end(block, block.generation(), true);
    }

    private Block cached(long capacity) {
        return cached(shard, capacity);
    }

    private Block cached(Shard inShard, long capacity) {
        Block block = leased(inShard, capacity);
        assertThat(end(block)).isEqualTo(LeaseEnd.CACHED);
        return block;
    }

    private void fillFreeSpace(long bytes) {
        budget.reserve(bytes);
        free.free(free.addNew(rounding, source.allocate(bytes), bytes), false);
    }

    private boolean mayCache() {
        Block block = leased(PAGE);
        boolean isCached = end(block) == LeaseEnd.CACHED;
        if (isCached) {
            assertThat(caches.take(PAGE)).isSameAs(block);
        } else {
            caches.remove(block);
        }
        return isCached;
    }

    @Test
    void theShardsMayNotCacheUntilItIsAllowed() {
        assertThat(mayCache()).isFalse();
        caches.allow();
        assertThat(mayCache()).isTrue();
    }

    @Test
    void theShardsTogetherCacheHalfOfTheCacheLimit() {
        caches.allow();
        long each = CACHE_LIMIT / 2 / shards.count();
        assertThat(end(leased(each))).isEqualTo(LeaseEnd.CACHED);
        assertThat(end(leased(PAGE))).isEqualTo(LeaseEnd.RETIRING);
        assertThat(end(leased(shards.get(1), each))).isEqualTo(LeaseEnd.CACHED);
        assertThat(end(leased(shards.get(shards.count() - 1), each))).isEqualTo(LeaseEnd.CACHED);
    }

    @Test
    void blocksInShardsCountAsLeasedUntilTheyLeave() {
        caches.allow();
        assertThat(caches.leasedBytes()).isZero();
        Block block = leased(PAGE);
        cached(2 * PAGE);
        assertThat(caches.leasedBytes()).isEqualTo(3 * PAGE);
        shard.end(block, block.generation(), false);
        caches.remove(block);
        assertThat(caches.leasedBytes()).isEqualTo(2 * PAGE);
        caches.flush();
        assertThat(caches.leasedBytes()).isZero();
    }

    @Test
    void anEndedLeaseCountsNoMore() {
        Block block = leased(PAGE);
        leased(2 * PAGE);
        assertThat(caches.endAndRemove(block, block.generation() + 2)).isFalse();
        assertThat(caches.leasedBytes()).isEqualTo(3 * PAGE);
        assertThat(caches.endAndRemove(block, block.generation())).isTrue();
        assertThat(caches.leasedBytes()).isEqualTo(2 * PAGE);
    }

    @Test
    void aCachedBlockOfAnyShardServesARequest() {
        caches.allow();
        Block block = cached(shards.get(shards.count() - 1), PAGE);
        assertThat(caches.take(2 * PAGE)).isNull();
        assertThat(caches.take(PAGE)).isSameAs(block);
        assertThat(caches.leasedBytes()).isZero();
        assertThat(caches.take(PAGE)).isNull();
    }

    @Test
    void theFirstShardIsAskedFirst() {
        caches.allow();
        Block first = cached(PAGE);
        Block second = cached(shards.get(1), PAGE);
        assertThat(caches.take(PAGE)).isSameAs(first);
        assertThat(caches.take(PAGE)).isSameAs(second);
    }

    @Test
    void noCachedBlockServesARequestThatNeedsNone() {
        caches.allow();
        assertThat(caches.take(SizeRounding.NONE)).isNull();
    }

    @Test
    void flushingMovesCachedBlocksToTheFreeSpace() {
        caches.allow();
        caches.flush();
        cached(PAGE);
        cached(shards.get(1), 2 * PAGE);
        caches.flush();
        assertThat(free.bytes()).isEqualTo(3 * PAGE);
        caches.flush();
        assertThat(mayCache()).as("the shards go on to cache").isTrue();
    }

    @Test
    void stoppingMovesCachedBlocksToTheFreeSpaceAndForbidsMore() {
        caches.stop();
        caches.allow();
        cached(PAGE);
        cached(shards.get(1), 2 * PAGE);
        caches.stop();
        assertThat(free.bytes()).isEqualTo(3 * PAGE);
        caches.stop();
        assertThat(mayCache()).isFalse();
        assertThat(end(leased(shards.get(1), PAGE))).isEqualTo(LeaseEnd.RETIRING);
    }

    @Test
    void aBlockThatFindsTheCacheFullMovesItToTheFreeSpace() {
        caches.allow();
        long each = CACHE_LIMIT / 2 / shards.count();
        cached(each);
        Block block = leased(PAGE);
        end(block);
        caches.remove(block);
        assertThat(free.bytes()).isEqualTo(each);
        assertThat(caches.leasedBytes()).isZero();
    }

    @Test
    void theShardsMayNotCacheWhileTheFreeSpaceIsCrowded() {
        fillFreeSpace(CACHE_LIMIT / 2 + PAGE);
        caches.allow();
        assertThat(mayCache()).isFalse();
        free.evict();
        fillFreeSpace(CACHE_LIMIT / 2);
        caches.allow();
        assertThat(mayCache()).as("half of the cache limit is free").isTrue();
    }

    @Test
    void cachingStopsWhenTheFreeSpaceIsCrowded() {
        caches.allow();
        fillFreeSpace(CACHE_LIMIT / 2);
        caches.stopIfCrowded();
        assertThat(mayCache()).isTrue();
        fillFreeSpace(PAGE);
        caches.stopIfCrowded();
        assertThat(mayCache()).isFalse();
    }

    @Test
    void theShardsMayNotCacheWhileALimitIsExceeded() {
        leased(PAGE);
        budget.setLimits(limits.withMemoryLimit(PAGE - 1));
        caches.allow();
        assertThat(mayCache()).isFalse();
    }

    @Test
    void theShardsMayNotCacheWhileARequestIsStarved() {
        caches.allow();
        cached(PAGE);
        caches.beginStarvation();
        caches.beginStarvation();
        assertThat(free.bytes()).isEqualTo(PAGE);
        caches.allow();
        assertThat(mayCache()).isFalse();
        caches.endStarvation();
        caches.allow();
        assertThat(mayCache()).as("another request is starved").isFalse();
        caches.endStarvation();
        caches.allow();
        assertThat(mayCache()).isTrue();
    }

    @Test
    void aPermissionThatStandsIsNotGivenAgain() {
        caches.allow();
        budget.setLimits(limits.withCacheLimit(0));
        caches.allow();
        assertThat(mayCache()).isTrue();
    }

    @Test
    void leasesPutThePoolUnderPressure() {
        budget.setLimits(limits.withMemoryLimit(4 * PAGE));
        leased(PAGE);
        assertThat(caches.isUnderPressureWith(PAGE)).isFalse();
        assertThat(caches.isUnderPressureWith(PAGE + 1)).isTrue();
    }
}
