package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ChunkTest {
    private static final long SIZE = 64 * 1024;

    private final FakeMemorySource source = new FakeMemorySource();
    private final FreeRanges ranges = new FreeRanges();
    private final Chunk chunk = new Chunk(source.allocate(SIZE), 256, ranges, false);

    @BeforeEach
    void list() {
        assertThat(listed()).isEmpty();
        Block all = chunk.list();
        assertThat(listed()).containsExactly(all);
    }

    /** The free ranges that requests find, in the order of their sizes. */
    private List<Block> listed() {
        List<Block> found = new ArrayList<>();
        for (int bin = ranges.nextBin(0); bin != FreeRanges.NONE; bin = ranges.nextBin(bin + 1)) {
            for (Block range = ranges.first(bin); range != null; range = range.older) {
                found.add(range);
            }
        }
        found.sort(Comparator.comparing(Block::capacity));
        return found;
    }

    private Block lease(long bytes) {
        Block range = listed().stream()
                .filter(listed -> listed.capacity() >= bytes)
                .findFirst()
                .orElseThrow();
        chunk.lease(range, bytes);
        return range;
    }

    /** Leases all of the chunk in blocks of these sizes. */
    private List<Block> leaseAll(long... sizes) {
        List<Block> blocks = new ArrayList<>();
        for (long size : sizes) {
            blocks.add(lease(size));
        }
        long rest = chunk.freeBytes();
        if (rest > 0) {
            blocks.add(lease(rest));
        }
        assertThat(chunk.freeCount()).isZero();
        return blocks;
    }

    @Test
    void aNewChunkIsOneFreeRange() {
        assertThat(chunk.isEmpty()).isTrue();
        assertThat(chunk.isDrained()).isFalse();
        assertThat(chunk.freeCount()).isEqualTo(1);
        assertThat(chunk.freeBytes()).isEqualTo(SIZE);
        assertThat(chunk.memory().capacity()).isEqualTo(SIZE);
    }

    @Test
    void sizesAreRoundedToGranules() {
        assertThat(chunk.granules(1)).isEqualTo(256);
        assertThat(chunk.granules(256)).isEqualTo(256);
        assertThat(chunk.granules(257)).isEqualTo(512);
        assertThat(Chunk.roundUp(1000, 256)).isEqualTo(1024);
    }

    @Test
    void aLeaseTakesTheStartOfARangeAndLeavesTheRestFree() {
        Block block = lease(4096);
        assertThat(block.offset()).isZero();
        assertThat(block.capacity()).isEqualTo(4096);
        assertThat(chunk.isEmpty()).isFalse();
        assertThat(chunk.freeCount()).isEqualTo(1);
        assertThat(chunk.freeBytes()).isEqualTo(SIZE - 4096);
        Block next = lease(SIZE - 4096);
        assertThat(next.offset()).isEqualTo(4096);
        assertThat(chunk.freeCount()).isZero();
        assertThat(chunk.freeBytes()).isZero();
        assertThat(listed()).isEmpty();
    }

    @Test
    void aFreeBlockJoinsTheRangeAfterIt() {
        Block block = lease(4096);
        chunk.free(block);
        assertThat(chunk.isEmpty()).isTrue();
        assertThat(chunk.freeCount()).isEqualTo(1);
        assertThat(chunk.freeBytes()).isEqualTo(SIZE);
        assertThat(lease(SIZE)).isSameAs(block);
    }

    @Test
    void aFreeBlockJoinsTheRangeBeforeIt() {
        List<Block> blocks = leaseAll(4096, 8192, 4096);
        chunk.free(blocks.get(0));
        chunk.free(blocks.get(1));
        assertThat(chunk.freeCount()).isEqualTo(1);
        assertThat(chunk.freeBytes()).isEqualTo(12_288);
        assertThat(lease(12_288).offset()).isZero();
    }

    @Test
    void aFreeBlockJoinsTheRangesOnBothSides() {
        List<Block> blocks = leaseAll(4096, 8192, 4096);
        chunk.free(blocks.get(0));
        chunk.free(blocks.get(2));
        assertThat(chunk.freeCount()).isEqualTo(2);
        chunk.free(blocks.get(1));
        assertThat(chunk.freeCount()).isEqualTo(1);
        assertThat(chunk.freeBytes()).isEqualTo(16_384);
        chunk.free(blocks.get(3));
        assertThat(lease(SIZE).capacity()).isEqualTo(SIZE);
    }

    @Test
    void theNeighboursOfARangeAreKnownAfterManySplitsAndJoins() {
        List<Block> blocks = leaseAll(4096, 4096, 4096, 4096);
        chunk.free(blocks.get(1));
        Block half = lease(2048);
        assertThat(half.offset()).isEqualTo(4096);
        chunk.free(blocks.get(2));
        Block rest = lease(6144);
        assertThat(rest.offset()).as("the rest of one block and the next one").isEqualTo(6144);
        chunk.free(half);
        chunk.free(rest);
        assertThat(chunk.freeCount()).isEqualTo(1);
        chunk.free(blocks.get(3));
        chunk.free(blocks.get(0));
        chunk.free(blocks.get(4));
        assertThat(chunk.freeCount()).isEqualTo(1);
        assertThat(chunk.isEmpty()).isTrue();
        assertThat(lease(SIZE).offset()).isZero();
    }

    @Test
    void aBlockThatIsLeasedAgainKeepsItsGeneration() {
        List<Block> blocks = leaseAll(4096, 4096);
        Block second = blocks.get(1);
        long generation = second.issue();
        second.end(generation);
        chunk.free(blocks.get(0));
        chunk.free(second);
        lease(4096);
        Block again = lease(4096);
        assertThat(again).as("a block that was merged is used again").isSameAs(second);
        assertThat(again.issue()).isEqualTo(generation + 2);
    }

    @Test
    void everyMergedBlockIsUsedAgainOnce() {
        List<Block> blocks = leaseAll(4096, 4096, 4096);
        blocks.forEach(chunk::free);
        List<Block> again = leaseAll(4096, 4096, 4096);
        assertThat(again).doesNotHaveDuplicates().containsExactlyInAnyOrderElementsOf(blocks);
        assertThat(again).extracting(Block::offset).containsExactly(0L, 4096L, 8192L, 12_288L);
    }

    @Test
    void aRangeInTheMiddleOfABinCanBeLeased() {
        List<Block> blocks = leaseAll(4096, 256, 4112, 256, 4128, 256);
        chunk.free(blocks.get(4));
        chunk.free(blocks.get(2));
        chunk.free(blocks.get(0));
        assertThat(lease(4112)).isSameAs(blocks.get(2));
        assertThat(lease(4128)).isSameAs(blocks.get(4));
        assertThat(lease(4096)).isSameAs(blocks.get(0));
        assertThat(chunk.freeCount()).isZero();
        assertThat(listed()).isEmpty();
    }

    @Test
    void aQuarantinedRangeCountsAsFreeAndIsNeverLeasedAgain() {
        List<Block> blocks = leaseAll(4096, 4096);
        chunk.quarantine(blocks.get(0));
        assertThat(chunk.freeCount()).isEqualTo(1);
        assertThat(chunk.freeBytes()).isEqualTo(4096);
        assertThat(listed()).isEmpty();
        assertThat(chunk.isDrained()).isFalse();
        chunk.free(blocks.get(1));
        assertThat(chunk.freeCount()).as("the ranges were not joined").isEqualTo(2);
        assertThat(chunk.freeBytes()).isEqualTo(8192);
        chunk.free(blocks.get(2));
        assertThat(chunk.freeBytes()).isEqualTo(SIZE);
        assertThat(chunk.isEmpty()).isTrue();
        assertThat(chunk.isDrained()).isTrue();
        assertThat(chunk.quarantinedBytes()).isEqualTo(4096);
        assertThat(listed()).as("a drained chunk serves no request").isEmpty();
    }

    @Test
    void theSurplusIsWhatTheSmallestLeaseAloneWouldLeave() {
        assertThat(chunk.surplus()).as("not in use").isZero();
        assertThat(chunk.surplusWith(4096)).isEqualTo(SIZE - 4096);
        Block large = lease(40_960);
        assertThat(chunk.surplus()).isEqualTo(SIZE - 40_960);
        assertThat(chunk.surplusWith(8192)).isEqualTo(SIZE - 8192);
        Block small = lease(8192);
        assertThat(chunk.surplus()).isEqualTo(SIZE - 8192);
        assertThat(chunk.surplusWith(12_288)).as("not the smallest").isEqualTo(SIZE - 8192);
        chunk.free(small);
        assertThat(chunk.surplus()).isEqualTo(SIZE - 40_960);
        chunk.quarantine(large);
        assertThat(chunk.surplus()).isZero();
    }

    @Test
    void aQuarantinedRangeIsALeaseForTheSurplus() {
        Block leaked = lease(4096);
        Block other = lease(8192);
        chunk.quarantine(leaked);
        chunk.free(lease(1024));
        assertThat(chunk.surplus()).isEqualTo(SIZE - 4096);
        chunk.free(other);
    }

    @Test
    void theSurplusOfASharedChunkIsItsFreeMemory() {
        var shared = new Chunk(source.allocate(SIZE), 256, new FreeRanges(), true);
        Block range = shared.list();
        assertThat(shared.surplus()).isZero();
        shared.lease(range, 4096);
        assertThat(shared.surplus()).isEqualTo(SIZE - 4096);
    }

    @Test
    void aChunkThatIsUnlistedServesNoRequest() {
        List<Block> blocks = leaseAll(4096, 4096);
        chunk.free(blocks.get(0));
        assertThat(listed()).hasSize(1);
        chunk.unlist();
        assertThat(listed()).isEmpty();
        chunk.unlist();
        assertThat(listed()).as("a second time").isEmpty();
    }
}
