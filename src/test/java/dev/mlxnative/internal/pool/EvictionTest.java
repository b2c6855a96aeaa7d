package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.PoolStats;
import dev.mlxnative.internal.device.DeviceMemory;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Eviction from three free buffers of one, two and four pages, which became free in this order. */
class EvictionTest {
    private static final long TOTAL = 7 * PAGE;

    private final FakeMemorySource source = new FakeMemorySource();
    private final LimitSettings limits = PoolSetup.NO_LIMITS.withMemoryLimit(TOTAL);
    private final SegregatedFreeLists free = new SegregatedFreeLists(PAGE);
    private final MemoryBudget budget = new MemoryBudget(limits);
    private final PoolCounters counters = new PoolCounters();
    private final Backlog backlog = new Backlog();
    private final Eviction eviction = new Eviction(free, budget, counters, backlog);
    private final SizeRounding rounding =
            new SizeRounding(256, Long.MAX_VALUE, PAGE, FakeMemorySource.MAX_BUFFER_LENGTH);

    EvictionTest() {
        for (long capacity : new long[] {PAGE, 2 * PAGE, 4 * PAGE}) {
            budget.reserve(capacity);
            free.free(free.addNew(rounding, source.allocate(capacity), capacity), false);
        }
    }

    private List<DeviceMemory> evicted(TrimCause cause) {
        Leftover leftover = Leftover.takenFrom(backlog);
        if (!leftover.equals(Leftover.NOTHING)) {
            assertThat(leftover.freeing()).containsOnlyKeys(cause);
        }
        return leftover.memories();
    }

    private void assertNothingEvicted() {
        assertThat(Leftover.takenFrom(backlog)).isEqualTo(Leftover.NOTHING);
    }

    /** Checks which of the three buffers were evicted, and that they are counted. */
    private void assertEvicted(TrimCause cause, Long... capacities) {
        List<DeviceMemory> evicted = evicted(cause);
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
        eviction.evictSurplus(false, TrimCause.LIMIT);
        assertEvicted(TrimCause.LIMIT);
    }

    @Test
    void freeMemoryAboveTheCacheLimitIsSurplus() {
        budget.setLimits(limits.withCacheLimit(TOTAL - 1));
        eviction.evictSurplus(false, TrimCause.LIMIT);
        assertEvicted(TrimCause.LIMIT, PAGE);
    }

    @Test
    void freeMemoryAboveTheMemoryLimitIsSurplus() {
        budget.setLimits(limits.withMemoryLimit(TOTAL - PAGE - 1));
        eviction.evictSurplus(false, TrimCause.LIMIT);
        assertEvicted(TrimCause.LIMIT, PAGE, 2 * PAGE);
    }

    @Test
    void allFreeMemoryCanBeSurplus() {
        eviction.evictSurplus(true, TrimCause.CLOSED);
        assertEvicted(TrimCause.CLOSED, PAGE, 2 * PAGE, 4 * PAGE);
        eviction.evictSurplus(true, TrimCause.CLOSED);
        assertNothingEvicted();
    }

    @Test
    void evictionEndsWhereNothingIsFree() {
        budget.setLimits(limits.withMemoryLimit(0));
        budget.reserve(0);
        eviction.evictSurplus(true, TrimCause.LIMIT);
        assertThat(evicted(TrimCause.LIMIT)).hasSize(3);
        eviction.evictSurplus(false, TrimCause.LIMIT);
        assertThat(eviction.evictUntilFits(1)).isFalse();
        assertThat(eviction.evictDownTo(-1, TrimCause.REQUESTED)).isZero();
        eviction.evictUnusedSince(Long.MAX_VALUE);
        assertNothingEvicted();
    }

    @Test
    void memoryIsEvictedUntilARequestFits() {
        assertThat(eviction.evictUntilFits(PAGE)).isTrue();
        assertEvicted(TrimCause.LIMIT, PAGE);
        assertThat(eviction.evictUntilFits(PAGE))
                .as("it fits once that is freed")
                .isFalse();
        assertNothingEvicted();
        assertThat(eviction.evictUntilFits(PAGE + 1)).isTrue();
        assertThat(StateSetup.capacities(evicted(TrimCause.LIMIT))).containsExactly(2 * PAGE);
    }

    @Test
    void memoryIsEvictedDownToASize() {
        assertThat(eviction.evictDownTo(TOTAL, TrimCause.REQUESTED)).isZero();
        assertEvicted(TrimCause.REQUESTED);
        assertThat(eviction.evictDownTo(TOTAL - 1, TrimCause.REFUSED)).isEqualTo(PAGE);
        assertEvicted(TrimCause.REFUSED, PAGE);
    }

    @Test
    void memoryIsEvictedThatHasBeenUnusedSinceACountOfFrees() {
        eviction.evictUnusedSince(0);
        assertEvicted(TrimCause.IDLE);
        eviction.evictUnusedSince(2);
        assertEvicted(TrimCause.IDLE, PAGE, 2 * PAGE);
    }

    @Test
    void obstaclesAreEvicted() {
        assertThat(eviction.evictObstacles(rounding, 8 * PAGE, false, 0)).isFalse();
        assertNothingEvicted();
        assertThat(eviction.evictObstacles(rounding, 8 * PAGE, false, PlainBound.REQUESTS_PER_EVICTION))
                .isTrue();
        assertEvicted(TrimCause.REPLACED, 4 * PAGE);
    }

    @Test
    void aDrainedChunkIsSurplus() {
        var chunks = new BestFitChunks(source.traits(), new SurplusAllowance(0.15, 0));
        var evictionOfChunks = new Eviction(chunks, budget, counters, backlog);
        budget.setLimits(PoolSetup.NO_LIMITS);
        Block leaked = chunks.addNew(rounding, source.allocate(PAGE), 4096);
        Block other = chunks.take(rounding, 256, false);
        assertThat(other).isNotNull();
        chunks.quarantine(leaked);
        evictionOfChunks.evictSurplus(false, TrimCause.LIMIT);
        assertNothingEvicted();
        chunks.free(other, false);
        evictionOfChunks.evictSurplus(false, TrimCause.LIMIT);
        assertThat(evicted(TrimCause.LIMIT)).containsExactly(leaked.memory());
    }

    @Test
    void obstaclesOfALargerChunkCountAsBeingFreed() {
        var chunks = new BestFitChunks(source.traits(), new SurplusAllowance(0.25, 0));
        var evictionOfChunks = new Eviction(chunks, budget, counters, backlog);
        assertThat(evictionOfChunks.evictObstacles(rounding, 4 * PAGE, false, 0))
                .as("there is no chunk")
                .isFalse();
        Block block = chunks.addNew(rounding, source.allocate(PAGE), PAGE);
        chunks.free(block, false);
        assertThat(evictionOfChunks.evictObstacles(rounding, 4 * PAGE, false, 0))
                .as("five pages for four")
                .isFalse();
        assertNothingEvicted();
        assertThat(evictionOfChunks.evictObstacles(rounding, 3 * PAGE, false, 0))
                .as("four pages for three")
                .isTrue();
        assertThat(evicted(TrimCause.REPLACED)).containsExactly(block.memory());
        assertThat(budget.freeingBytes()).isEqualTo(PAGE);
    }
}
