package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.internal.device.DeviceMemory;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The placement of compact pools alone, on memory that is never touched. */
class BestFitChunksTest {
    private static final long PAGE = FakeMemorySource.PAGE;

    private final FakeMemorySource source = new FakeMemorySource();
    private final SizeRounding rounding =
            new SizeRounding(256, Long.MAX_VALUE, PAGE, FakeMemorySource.MAX_BUFFER_LENGTH);
    private final SurplusAllowance allowance = new SurplusAllowance(0.25, 0);
    private final BestFitChunks chunks = new BestFitChunks(source.traits(), allowance);
    private final List<DeviceMemory> allocated = new ArrayList<>();

    /** Requests memory in the way of a pool. */
    private Block request(long byteLength) {
        Block block = chunks.take(rounding, byteLength, false);
        if (block == null) {
            removeObstacles(byteLength);
            DeviceMemory memory = source.allocate(chunks.capacityForNew(rounding, byteLength, false));
            allocated.add(memory);
            block = chunks.addNew(rounding, memory, byteLength);
        }
        block.requestedBytes = byteLength;
        return block;
    }

    /** Evicts what must be freed before a new chunk for a request is allocated. */
    private List<DeviceMemory> removeObstacles(long byteLength) {
        List<DeviceMemory> removed = new ArrayList<>();
        for (DeviceMemory memory = evictObstacle(byteLength); memory != null; memory = evictObstacle(byteLength)) {
            removed.add(memory);
        }
        return removed;
    }

    private @Nullable DeviceMemory evictObstacle(long byteLength) {
        return chunks.evictObstacle(rounding, byteLength, false, 0);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void blocksNeverOverlapAndNothingIsLost(long seed) {
        Random random = new Random(seed);
        List<Block> leased = new ArrayList<>();
        TreeMap<Long, Block> byAddress = new TreeMap<>();
        long leasedBytes = 0;
        for (int step = 0; step < 20_000; step++) {
            if (random.nextInt(100) < (step / 2_000 % 2 == 0 ? 60 : 40) || leased.isEmpty()) {
                long byteLength = 1 + (long) Math.exp(random.nextDouble() * Math.log(200_000));
                Block block = request(byteLength);
                assertThat(block.capacity()).isEqualTo((byteLength + 255) / 256 * 256);
                assertThat(block.offset() % 256).isZero();
                assertThat(block.offset() + block.capacity())
                        .isLessThanOrEqualTo(block.memory().capacity());
                var before = byAddress.floorEntry(block.address());
                if (before != null) {
                    assertThat(before.getKey() + before.getValue().capacity()).isLessThanOrEqualTo(block.address());
                }
                Long after = byAddress.ceilingKey(block.address());
                if (after != null) {
                    assertThat(block.address() + block.capacity()).isLessThanOrEqualTo(after);
                }
                byAddress.put(block.address(), block);
                leased.add(block);
                leasedBytes += block.capacity();
            } else {
                Block block = leased.remove(random.nextInt(leased.size()));
                byAddress.remove(block.address());
                leasedBytes -= block.capacity();
                chunks.free(block, false);
            }
            assertThat(chunks.bytes() + leasedBytes).isEqualTo(totalBytes(leased));
        }
        leased.forEach(block -> chunks.free(block, false));
        assertThat(chunks.count()).as("one free range in each chunk").isEqualTo(chunks.evictableCount());
        assertThat(chunks.bytes()).isEqualTo(chunks.evictableBytes());
        while (chunks.evict() != null) {}
        assertThat(chunks.bytes()).isZero();
        assertThat(chunks.count()).isZero();
    }

    /** Bytes of the chunks that are in use and of those that are empty. */
    private long totalBytes(List<Block> leased) {
        return chunks.evictableBytes()
                + leased.stream()
                        .map(Block::memory)
                        .distinct()
                        .mapToLong(DeviceMemory::capacity)
                        .sum();
    }

    @Test
    void smallRequestsShareAChunk() {
        Block first = request(PAGE - 256);
        assertThat(first.memory().capacity()).isEqualTo(PAGE);
        assertThat(request(256).memory()).isSameAs(first.memory());
    }

    @Test
    void aLargeRequestHasAChunkOfItsSizeInWholePages() {
        assertThat(request(PAGE).memory().capacity()).isEqualTo(PAGE);
        assertThat(request(PAGE + 1).memory().capacity()).isEqualTo(2 * PAGE);
    }

    @Test
    void requestsThatAreSmallBesideThePeakShareLargerChunks() {
        request(630 * PAGE);
        Block small = request(10 * PAGE - 256);
        assertThat(small.memory().capacity()).as("a 32nd of the peak").isEqualTo(20 * PAGE);
        assertThat(request(10 * PAGE - 256).memory()).isSameAs(small.memory());
        Block large = request(11 * PAGE);
        assertThat(large.memory().capacity()).isEqualTo(11 * PAGE);
    }

    @Test
    void theSmallestRangeThatFitsServes() {
        List<Block> blocks = new ArrayList<>();
        for (long size : new long[] {2048, 256, 1024, 256, 1536, 256, 1280, 256}) {
            blocks.add(request(size));
        }
        for (int i = 0; i < blocks.size(); i += 2) {
            chunks.free(blocks.get(i), false);
        }
        assertThat(request(1281)).isSameAs(blocks.get(4));
        assertThat(request(1281)).isSameAs(blocks.get(0));
        assertThat(request(1024)).isSameAs(blocks.get(2));
        assertThat(request(1024)).as("of one bin, the smaller").isSameAs(blocks.get(6));
    }

    /** The search of a bin ends at a range that fits exactly: a bin may hold thousands. */
    @Test
    void theFirstOfManyRangesThatFitExactlyServes() {
        List<Block> blocks = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            blocks.add(request(512));
            request(512);
        }
        blocks.forEach(block -> chunks.free(block, false));
        Block last = blocks.getLast();
        assertThat(request(512)).as("the newest of the bin").isSameAs(last);
    }

    @Test
    void anEmptyChunkOfNearlyTheSizeServesBeforeTheRestOfOneInUse() {
        Block large = request(200 * PAGE);
        Block near = request(72 * PAGE);
        request(500 * PAGE);
        chunks.free(large, false);
        Block tenant = request(120 * PAGE);
        assertThat(tenant.memory()).as("80 pages are left").isSameAs(large.memory());
        chunks.free(near, false);
        assertThat(request(64 * PAGE).memory()).as("an eighth larger").isSameAs(near.memory());
        assertThat(request(64 * PAGE).memory()).isSameAs(large.memory());
    }

    @Test
    void aRequestTakesNoMoreSurplusThanTheAllowance() {
        Block large = request(100 * PAGE);
        chunks.free(large, false);
        assertThat(chunks.take(rounding, 75 * PAGE - 256, false))
                .as("25 pages and 256 bytes are more than a quarter of the peak")
                .isNull();
        Block fitting = chunks.take(rounding, 75 * PAGE, false);
        assertThat(fitting).isNotNull();
        assertThat(chunks.take(rounding, 20 * PAGE, false))
                .as("at last alone in the chunk, it would have a surplus of 80 pages")
                .isNull();
        assertThat(chunks.takeAny(rounding, 20 * PAGE))
                .as("a request that would be denied otherwise")
                .isNotNull();
    }

    @Test
    void quarantinedMemoryIsLiveUntilItsChunkIsFreed() {
        Block leaked = request(1024);
        Block neighbour = request(512);
        chunks.quarantine(leaked);
        assertThat(allowance.liveBytes()).isEqualTo(1536);
        chunks.free(neighbour, false);
        assertThat(allowance.liveBytes()).isEqualTo(1024);
        chunks.evict();
        assertThat(allowance.liveBytes()).isZero();
    }

    @Test
    void emptyChunksAreFreedForANewOneAsFarAsTheAllowanceAsks() {
        Block first = request(10 * PAGE);
        Block second = request(40 * PAGE);
        Block third = request(50 * PAGE);
        chunks.free(first, false);
        chunks.free(second, false);
        assertThat(chunks.isObstructed(rounding, 24 * PAGE, false, 0))
                .as("100 pages, 24 new ones: 125 are allowed")
                .isFalse();
        assertThat(removeObstacles(26 * PAGE))
                .as("the one with the most bytes times the time that it is empty")
                .containsExactly(second.memory());
        chunks.free(third, false);
        assertThat(removeObstacles(1000 * PAGE)).isEmpty();
    }

    @Test
    void theChunkThatHasBeenEmptyForManyBytesAndLongIsInTheWay() {
        Block small = request(20 * PAGE);
        Block large = request(40 * PAGE);
        chunks.free(small, false);
        for (int i = 0; i < 10; i++) {
            chunks.free(request(256), false);
        }
        chunks.free(large, false);
        assertThat(evictObstacle(60 * PAGE)).isSameAs(small.memory());
        assertThat(evictObstacle(60 * PAGE)).isSameAs(large.memory());
    }

    @Test
    void theChunkThatIsEmptyForLongestIsEvictedFirst() {
        Block first = request(PAGE);
        Block second = request(2 * PAGE);
        chunks.free(second, false);
        chunks.free(first, false);
        assertThat(chunks.evictableSince()).isEqualTo(1);
        assertThat(chunks.evict()).isSameAs(second.memory());
        assertThat(chunks.evict()).isSameAs(first.memory());
        assertThat(chunks.evict()).isNull();
        assertThat(chunks.evictableSince()).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void aQuarantinedRangeIsNeverLeasedAgainAndItsNeighboursAre() {
        Block leaked = request(4096);
        Block neighbour = request(4096);
        long offset = leaked.offset();
        assertThat(chunks.quarantine(leaked)).as("the neighbour is leased").isNull();
        assertThat(chunks.bytes()).as("counted as free").isEqualTo(PAGE - 4096);
        assertThat(chunks.count()).isEqualTo(2);
        Block next = request(4096);
        assertThat(next.memory()).as("the rest of the chunk serves").isSameAs(leaked.memory());
        assertThat(next.offset()).isNotEqualTo(offset);
        chunks.free(neighbour, false);
        assertThat(chunks.hasDrained()).isFalse();
        chunks.free(next, false);
        assertThat(chunks.hasDrained()).isTrue();
        assertThat(chunks.take(rounding, 256, false))
                .as("a drained chunk serves no request")
                .isNull();
        assertThat(chunks.evict()).isSameAs(leaked.memory());
        assertThat(chunks.bytes()).isZero();
        assertThat(chunks.count()).isZero();
        assertThat(chunks.hasDrained()).isFalse();
    }

    @Test
    void aQuarantinedRangeThatIsAloneFreesItsChunk() {
        Block leaked = request(4096);
        assertThat(chunks.quarantine(leaked)).isSameAs(leaked.memory());
        assertThat(chunks.bytes()).isZero();
        assertThat(chunks.evictableCount()).isZero();
    }

    @Test
    void aDrainedChunkIsEvictedBeforeOneThatIsEmptyForLonger() {
        Block leaked = request(PAGE / 2);
        Block neighbour = request(PAGE / 2);
        Block other = request(4 * PAGE);
        assertThat(neighbour.memory()).isSameAs(leaked.memory());
        assertThat(other.memory()).isNotSameAs(leaked.memory());
        chunks.free(other, false);
        chunks.quarantine(leaked);
        chunks.free(neighbour, false);
        assertThat(chunks.evict()).isSameAs(leaked.memory());
        assertThat(chunks.evict()).isSameAs(other.memory());
    }

    @Test
    void aDrainedChunkIsPassedOver() {
        Block leaked = request(PAGE / 2);
        Block neighbour = request(PAGE / 2);
        chunks.quarantine(leaked);
        chunks.free(neighbour, false);
        assertThat(request(256).memory()).isNotSameAs(leaked.memory());
    }

    @Test
    void newChunksAreAtMostAsLargeAsTheLargestBuffer() {
        long largest = 10 * PAGE + 100;
        var limited = new SizeRounding(256, Long.MAX_VALUE, PAGE, largest);
        assertThat(chunks.capacityForNew(limited, 10 * PAGE + 1, false)).isEqualTo(largest);
    }

    @Test
    void theLeastCapacityOfANewChunkIsWholePages() {
        assertThat(chunks.leastCapacityForNew(rounding, 1)).isEqualTo(PAGE);
        assertThat(chunks.leastCapacityForNew(rounding, PAGE + 1)).isEqualTo(2 * PAGE);
    }

    @Test
    void everyReleaseIsCounted() {
        chunks.free(request(256), false);
        assertThat(chunks.frees()).isEqualTo(1);
        chunks.quarantine(request(256));
        assertThat(chunks.frees()).isEqualTo(2);
    }

    @Test
    void aChunkCanBeMarkedForEvictionBeforeAllOthers() {
        Block first = request(PAGE);
        Block marked = request(2 * PAGE);
        chunks.free(first, false);
        chunks.free(marked, true);
        assertThat(chunks.evictableSince()).isZero();
        assertThat(chunks.evict()).isSameAs(marked.memory());
    }
}
