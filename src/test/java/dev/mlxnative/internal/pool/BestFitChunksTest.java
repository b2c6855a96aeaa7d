package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.internal.device.DeviceMemory;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The placement of compact pools alone, on memory that is never touched. */
class BestFitChunksTest {
    private static final long PAGE = FakeMemorySource.PAGE;

    private final FakeMemorySource source = new FakeMemorySource();
    private final SizeRounding rounding =
            new SizeRounding(256, Long.MAX_VALUE, PAGE, FakeMemorySource.MAX_BUFFER_LENGTH);
    private final BestFitChunks chunks = new BestFitChunks(source.traits());
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
        if (chunks.isObstructed(rounding, byteLength)) {
            for (DeviceMemory memory = chunks.evict(); memory != null; memory = chunks.evict()) {
                removed.add(memory);
            }
        }
        return removed;
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
    void theSmallestFreeRangeOfTheOldestChunkInUseServes() {
        Block first = request(4 * PAGE);
        Block second = request(2 * PAGE);
        Block third = request(PAGE);
        assertThat(second.memory()).isNotSameAs(first.memory());
        chunks.free(second, false);
        chunks.free(third, false);
        Block small = request(256);
        assertThat(small.memory()).as("an empty chunk stays empty").isNotSameAs(first.memory());
        chunks.free(first, false);
        Block next = request(256);
        assertThat(next.memory()).isSameAs(small.memory());
    }

    @Test
    void emptyChunksAreFreedForALargerOne() {
        chunks.free(request(PAGE), false);
        assertThat(removeObstacles(4 * PAGE)).containsExactlyElementsOf(allocated);
        assertThat(chunks.capacityForNew(rounding, 100 * PAGE, false))
                .as("all that the bound leaves, in whole pages")
                .isEqualTo(114 * PAGE);
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
    void anEmptyChunkServesIfNoOtherDoes() {
        Block first = request(PAGE);
        Block second = request(2 * PAGE);
        chunks.free(second, false);
        chunks.free(first, false);
        assertThat(request(256).memory()).as("the oldest empty chunk").isSameAs(first.memory());
        assertThat(request(2 * PAGE).memory()).isSameAs(second.memory());
    }

    @Test
    void aDrainedChunkIsPassedOver() {
        Block leaked = request(PAGE / 2);
        Block neighbour = request(PAGE / 2);
        Block other = request(PAGE);
        chunks.quarantine(leaked);
        chunks.free(neighbour, false);
        chunks.free(other, false);
        assertThat(request(256).memory()).isSameAs(other.memory());
    }

    @Test
    void newChunksAreAtMostAsLargeAsTheLargestBuffer() {
        long largest = 10 * PAGE + 100;
        var limited = new SizeRounding(256, Long.MAX_VALUE, PAGE, largest);
        for (int i = 0; i < 100; i++) {
            Block block = chunks.addNew(rounding, source.allocate(10 * PAGE), 10 * PAGE);
            block.requestedBytes = 10 * PAGE;
        }
        assertThat(chunks.capacityForNew(limited, PAGE, false))
                .as("whole pages")
                .isEqualTo(10 * PAGE);
        assertThat(chunks.capacityForNew(limited, 10 * PAGE + 1, false))
                .as("a request for more than whole pages")
                .isEqualTo(largest);
    }

    @Test
    void newChunksTakeWhatTheBoundLeaves() {
        Block block = chunks.addNew(rounding, source.allocate(100 * PAGE), 100 * PAGE);
        block.requestedBytes = 100 * PAGE;
        assertThat(chunks.capacityForNew(rounding, PAGE, false))
                .as("of 1.1495 times 101 pages, 100 are taken")
                .isEqualTo(16 * PAGE);
        chunks.free(block, false);
        assertThat(chunks.capacityForNew(rounding, PAGE, false))
                .as("of 1.1495 times the peak of 100 pages, 100 are taken")
                .isEqualTo(14 * PAGE);
    }

    @Test
    void reusedMemoryIsLive() {
        chunks.free(request(100 * PAGE), false);
        Block reused = chunks.take(rounding, 100 * PAGE, false);
        assertThat(reused).isNotNull();
        assertThat(chunks.capacityForNew(rounding, PAGE, false))
                .as("of 1.1495 times 101 pages, 114 are taken")
                .isEqualTo(2 * PAGE);
    }

    @Test
    void quarantinedMemoryIsNotLive() {
        chunks.quarantine(request(100 * PAGE));
        assertThat(chunks.capacityForNew(rounding, 2 * PAGE, false))
                .as("1.1495 times the peak")
                .isEqualTo(114 * PAGE);
    }

    @Test
    void emptyChunksStayIfTheBoundLeavesExactlyEnough() {
        chunks.free(request(PAGE), false);
        assertThat(chunks.isObstructed(rounding, 128_279))
                .as("1.1495 times this are nine pages")
                .isFalse();
        assertThat(chunks.isObstructed(rounding, 128_278)).isTrue();
        assertThat(removeObstacles(128_278)).hasSize(1);
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
