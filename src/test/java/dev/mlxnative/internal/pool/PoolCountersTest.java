package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.PoolStats;
import org.junit.jupiter.api.Test;

class PoolCountersTest {
    private final FakeMemorySource source = new FakeMemorySource();
    private final PoolCounters counters = new PoolCounters();
    private final SegregatedFreeLists free = new SegregatedFreeLists(PAGE);
    private final PendingReleases pending = new PendingReleases();
    private final ShardTotals shards = new ShardTotals();
    private final FakeFence fence = new FakeFence();
    private final SizeRounding rounding =
            new SizeRounding(256, Long.MAX_VALUE, PAGE, FakeMemorySource.MAX_BUFFER_LENGTH);

    private PoolStats snapshot() {
        return counters.snapshot(free, shards, pending, 4711);
    }

    @Test
    void aSnapshotHasTheFiguresOfAllParts() {
        counters.allocated(1 << 20);
        counters.allocated(1 << 10);
        counters.failed();
        counters.trimmed(300);
        counters.trimmed(30);
        shards.hits = 5;
        shards.activeCount = 6;
        shards.activeBytes = 7000;
        shards.requestedBytes = 6500;
        shards.peakActiveBytes = 8000;
        shards.cachedCount = 2;
        shards.cachedBytes = 2048;
        free.free(free.addNew(rounding, source.allocate(PAGE), 1024), false);
        pending.reserve(fence);
        pending.add(Block.whole(source.allocate(512)), fence);
        assertThat(snapshot())
                .isEqualTo(new PoolStats(8, 5, 2, 6, 7000, 6500, 18, 2048 + PAGE, 1, 512, 8000, 1 << 20, 330, 1, 4711));
    }

    @Test
    void thePeakOfActiveBytesIsAtMostThatOfTheFootprint() {
        counters.allocated(1000);
        shards.peakActiveBytes = 1500;
        assertThat(snapshot().peakActiveBytes()).isEqualTo(1000);
    }

    @Test
    void leakedLeasesAreCounted() {
        assertThat(counters.leakedCount()).isZero();
        counters.leaked();
        counters.leaked();
        assertThat(counters.leakedCount()).isEqualTo(2);
    }
}
