package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ShardCachesTest {
    private static final long CACHE_LIMIT = 1 << 20;

    private final FakeMemorySource source = new FakeMemorySource();
    private final LimitSettings limits = PoolSetup.NO_LIMITS.withCacheLimit(CACHE_LIMIT);
    private final Shards shards = new Shards();
    private final Shard shard = shards.get(0);
    private final SegregatedFreeLists free = new SegregatedFreeLists();
    private final MemoryBudget budget = new MemoryBudget(limits);
    private final ShardCaches caches = new ShardCaches(shards, free, budget);

    private Block leased(Shard inShard, long capacity) {
        Block block = Block.whole(source.allocate(capacity));
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
        free.free(Block.whole(source.allocate(bytes)), false);
    }

    private boolean mayCache() {
        Block block = leased(256);
        boolean isCached = end(block) == LeaseEnd.CACHED;
        if (isCached) {
            assertThat(caches.take(256)).isSameAs(block);
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
        assertThat(end(leased(256))).isEqualTo(LeaseEnd.RETIRING);
        assertThat(end(leased(shards.get(1), each))).isEqualTo(LeaseEnd.CACHED);
        assertThat(end(leased(shards.get(shards.count() - 1), each))).isEqualTo(LeaseEnd.CACHED);
    }

    @Test
    void blocksInShardsCountAsLeasedUntilTheyLeave() {
        caches.allow();
        assertThat(caches.leasedBytes()).isZero();
        Block block = leased(1024);
        cached(2048);
        assertThat(caches.leasedBytes()).isEqualTo(3072);
        shard.end(block, block.generation(), false);
        caches.remove(block);
        assertThat(caches.leasedBytes()).isEqualTo(2048);
        caches.flush();
        assertThat(caches.leasedBytes()).isZero();
    }

    @Test
    void anEndedLeaseCountsNoMore() {
        Block block = leased(1024);
        leased(512);
        assertThat(caches.endAndRemove(block, block.generation() + 2)).isFalse();
        assertThat(caches.leasedBytes()).isEqualTo(1536);
        assertThat(caches.endAndRemove(block, block.generation())).isTrue();
        assertThat(caches.leasedBytes()).isEqualTo(512);
    }

    @Test
    void aCachedBlockOfAnyShardServesARequest() {
        caches.allow();
        Block block = cached(shards.get(shards.count() - 1), 1024);
        assertThat(caches.take(512)).isNull();
        assertThat(caches.take(1024)).isSameAs(block);
        assertThat(caches.leasedBytes()).isZero();
        assertThat(caches.take(1024)).isNull();
    }

    @Test
    void theFirstShardIsAskedFirst() {
        caches.allow();
        Block first = cached(1024);
        Block second = cached(shards.get(1), 1024);
        assertThat(caches.take(1024)).isSameAs(first);
        assertThat(caches.take(1024)).isSameAs(second);
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
        cached(1024);
        cached(shards.get(1), 2048);
        caches.flush();
        assertThat(free.bytes()).isEqualTo(3072);
        caches.flush();
        assertThat(mayCache()).as("the shards go on to cache").isTrue();
    }

    @Test
    void stoppingMovesCachedBlocksToTheFreeSpaceAndForbidsMore() {
        caches.stop();
        caches.allow();
        cached(1024);
        cached(shards.get(1), 2048);
        caches.stop();
        assertThat(free.bytes()).isEqualTo(3072);
        caches.stop();
        assertThat(mayCache()).isFalse();
        assertThat(end(leased(shards.get(1), 256))).isEqualTo(LeaseEnd.RETIRING);
    }

    @Test
    void aBlockThatFindsTheCacheFullMovesItToTheFreeSpace() {
        caches.allow();
        long each = CACHE_LIMIT / 2 / shards.count();
        cached(each);
        Block block = leased(256);
        end(block);
        caches.remove(block);
        assertThat(free.bytes()).isEqualTo(each);
        assertThat(caches.leasedBytes()).isZero();
    }

    @Test
    void theShardsMayNotCacheWhileTheFreeSpaceIsCrowded() {
        fillFreeSpace(CACHE_LIMIT / 2 + 256);
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
        fillFreeSpace(256);
        caches.stopIfCrowded();
        assertThat(mayCache()).isFalse();
    }

    @Test
    void theShardsMayNotCacheWhileALimitIsExceeded() {
        leased(1024);
        budget.setLimits(limits.withMemoryLimit(1023));
        caches.allow();
        assertThat(mayCache()).isFalse();
    }

    @Test
    void theShardsMayNotCacheWhileARequestIsStarved() {
        caches.allow();
        cached(1024);
        caches.beginStarvation();
        caches.beginStarvation();
        assertThat(free.bytes()).isEqualTo(1024);
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
        budget.setLimits(limits.withMemoryLimit(2048));
        leased(512);
        assertThat(caches.isUnderPressureWith(512)).isFalse();
        assertThat(caches.isUnderPressureWith(513)).isTrue();
    }
}
