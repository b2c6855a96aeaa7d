package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.PoolStats;
import org.junit.jupiter.api.Test;

class PoolCountersTest {
    private final FakeMemorySource source = new FakeMemorySource();
    private final PoolCounters counters = new PoolCounters();
    private final SegregatedFreeLists free = new SegregatedFreeLists();
    private final PendingReleases pending = new PendingReleases();
    private final ShardTotals shards = new ShardTotals();

    private PoolStats snapshot() {
        return counters.snapshot(free, shards, pending, 4711);
    }

    private Block block(long capacity) {
        return Block.whole(source.allocate(capacity));
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
        free.free(block(1024), false);
        pending.add(block(512), new FakeFence());
        assertThat(snapshot())
                .isEqualTo(new PoolStats(8, 5, 2, 6, 7000, 6500, 3, 3072, 1, 512, 8000, 1 << 20, 330, 1, 4711));
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
