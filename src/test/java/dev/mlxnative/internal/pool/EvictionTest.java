package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.PoolStats;
import dev.mlxnative.internal.device.DeviceMemory;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Eviction from three free buffers of 1024, 2048 and 4096 bytes, which became free in this order. */
class EvictionTest {
    private static final long TOTAL = 1024 + 2048 + 4096;

    private final FakeMemorySource source = new FakeMemorySource();
    private final LimitSettings limits = PoolSetup.NO_LIMITS.withMemoryLimit(TOTAL);
    private final SegregatedFreeLists free = new SegregatedFreeLists();
    private final MemoryBudget budget = new MemoryBudget(limits);
    private final PoolCounters counters = new PoolCounters();
    private final Eviction eviction = new Eviction(free, budget, counters);

    EvictionTest() {
        for (long capacity : new long[] {1024, 2048, 4096}) {
            budget.reserve(capacity);
            free.free(Block.whole(source.allocate(capacity)), false);
        }
    }

    private void assertEvicted(List<DeviceMemory> evicted, Long... capacities) {
        assertThat(StateSetup.capacities(evicted)).containsExactly(capacities);
        long bytes = evicted.stream().mapToLong(DeviceMemory::capacity).sum();
        assertThat(budget.freeingBytes()).as("counted as being freed").isEqualTo(bytes);
        PoolStats stats = counters.snapshot(free, new ShardTotals(), new PendingReleases(), 0);
        assertThat(stats.trimmedBytes()).as("counted as trimmed").isEqualTo(bytes);
        assertThat(free.bytes()).isEqualTo(TOTAL - bytes);
    }

    @Test
    void nothingIsSurplusWithinTheLimits() {
        budget.setLimits(limits.withCacheLimit(TOTAL));
        assertEvicted(eviction.evictSurplus(false));
    }

    @Test
    void freeMemoryAboveTheCacheLimitIsSurplus() {
        budget.setLimits(limits.withCacheLimit(TOTAL - 1));
        assertEvicted(eviction.evictSurplus(false), 1024L);
    }

    @Test
    void freeMemoryAboveTheMemoryLimitIsSurplus() {
        budget.setLimits(limits.withMemoryLimit(TOTAL - 1025));
        assertEvicted(eviction.evictSurplus(false), 1024L, 2048L);
    }

    @Test
    void allFreeMemoryCanBeSurplus() {
        assertEvicted(eviction.evictSurplus(true), 1024L, 2048L, 4096L);
        assertThat(eviction.evictSurplus(true)).isEmpty();
    }

    @Test
    void evictionEndsWhereNothingIsFree() {
        budget.setLimits(limits.withMemoryLimit(0));
        budget.reserve(0);
        eviction.evictSurplus(true);
        assertThat(eviction.evictSurplus(false)).isEmpty();
        assertThat(eviction.evictUntilFits(1)).isEmpty();
        assertThat(eviction.evictDownTo(-1)).isEmpty();
        assertThat(eviction.evictUnusedSince(Long.MAX_VALUE)).isEmpty();
    }

    @Test
    void memoryIsEvictedUntilARequestFits() {
        assertEvicted(eviction.evictUntilFits(1024), 1024L);
        assertThat(eviction.evictUntilFits(1024))
                .as("it fits once that is freed")
                .isEmpty();
        assertThat(StateSetup.capacities(eviction.evictUntilFits(1025))).containsExactly(2048L);
    }

    @Test
    void memoryIsEvictedDownToASize() {
        assertEvicted(eviction.evictDownTo(TOTAL));
        assertEvicted(eviction.evictDownTo(TOTAL - 1), 1024L);
    }

    @Test
    void memoryIsEvictedThatHasBeenUnusedSinceACountOfFrees() {
        assertEvicted(eviction.evictUnusedSince(0));
        assertEvicted(eviction.evictUnusedSince(2), 1024L, 2048L);
    }

    @Test
    void aDrainedChunkIsSurplus() {
        var chunks = new BestFitChunks(source.traits());
        var evictionOfChunks = new Eviction(chunks, budget, counters);
        budget.setLimits(PoolSetup.NO_LIMITS);
        Block leaked = chunks.addNew(source.allocate(FakeMemorySource.PAGE), 4096);
        var rounding = new SizeRounding(256, 0, FakeMemorySource.PAGE, FakeMemorySource.MAX_BUFFER_LENGTH);
        Block other = chunks.take(rounding, 256, false);
        assertThat(other).isNotNull();
        chunks.quarantine(leaked);
        assertThat(evictionOfChunks.evictSurplus(false)).isEmpty();
        chunks.free(other, false);
        assertThat(evictionOfChunks.evictSurplus(false)).containsExactly(leaked.memory());
    }

    @Test
    void obstaclesOfALargerChunkCountAsBeingFreed() {
        var chunks = new BestFitChunks(source.traits());
        var evictionOfChunks = new Eviction(chunks, budget, counters);
        long page = FakeMemorySource.PAGE;
        var rounding = new SizeRounding(256, 0, page, FakeMemorySource.MAX_BUFFER_LENGTH);
        Block block = chunks.addNew(source.allocate(page), page);
        block.requestedBytes = page;
        chunks.free(block, false);
        assertThat(evictionOfChunks.evictObstacles(rounding, 4 * page)).hasSize(1);
        assertThat(budget.freeingBytes()).isEqualTo(page);
    }
}
