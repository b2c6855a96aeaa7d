package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ShardsTest {
    private final FakeMemorySource source = new FakeMemorySource();
    private final Shards shards = new Shards();

    @Test
    void thereAreFourShardsForEachCoreUpToTheNextPowerOfTwo() {
        int wanted = Math.min(64, 4 * Runtime.getRuntime().availableProcessors());
        assertThat(shards.count()).isEqualTo(Integer.highestOneBit(wanted));
        assertThat(IntStream.range(0, shards.count()).mapToObj(shards::get)).doesNotHaveDuplicates();
    }

    @Test
    void aThreadHasAShardOfItsOwnAndAnotherWhileThatIsLocked() {
        int own = (int) (Thread.currentThread().threadId() % shards.count());
        int other = (own + shards.count() / 2) % shards.count();
        assertThat(shards.ofThread()).isSameAs(shards.get(own));
        shards.get(own).lock();
        assertThat(shards.ofThread()).isSameAs(shards.get(other));
        shards.get(own).unlock();
        assertThat(shards.ofThread()).isSameAs(shards.get(own));
    }

    @Test
    void theTotalsAreTheSumOfAllShards() {
        for (int i = 0; i < shards.count(); i++) {
            shards.get(i).reserveSlot();
            shards.get(i).add(Block.whole(source.allocate(256)), 200, null, true, true);
        }
        assertThat(shards.totals())
                .returns(shards.count(), totals -> totals.activeCount)
                .returns(256L * shards.count(), totals -> totals.activeBytes)
                .returns(200L * shards.count(), totals -> totals.requestedBytes);
        assertThat(IntStream.range(0, shards.count()).mapToObj(shards::get).filter(SpinLock::isLocked))
                .as("locked shards")
                .isEmpty();
    }

    @Test
    void theTotalsAreOfOneMoment() {
        Shard last = shards.get(shards.count() - 1);
        last.lock();
        Thread thread = Thread.ofPlatform().daemon().start(shards::totals);
        try {
            Waiting.untilAsleep(thread);
            assertThat(IntStream.range(0, shards.count()).mapToObj(shards::get)).allMatch(SpinLock::isLocked);
        } finally {
            last.unlock();
        }
        Waiting.untilEnded(thread);
    }
}
