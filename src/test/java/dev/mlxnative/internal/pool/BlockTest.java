package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

class BlockTest {
    private final FakeMemorySource source = new FakeMemorySource();
    private final Block block = Block.whole(source.allocate(1024));

    private static Block range(FakeMemorySource source, long offset, long capacity) {
        Block range = new Block(source.allocate(FakeMemorySource.PAGE), null, true);
        range.setBounds(offset, capacity);
        return range;
    }

    @Test
    void aLeaseHasTheGenerationOfItsIssue() {
        assertThat(block.generation()).isZero();
        assertThat(block.issue()).isEqualTo(1);
        assertThat(block.generation()).isEqualTo(1);
        assertThat(block.isActive(1)).isTrue();
        assertThat(block.isActive(3)).isFalse();
        assertThat(block.end(1)).isTrue();
        assertThat(block.isActive(1)).isFalse();
        assertThat(block.issue()).isEqualTo(3);
    }

    @Test
    void aLeaseEndsOnce() {
        long generation = block.issue();
        assertThat(block.end(generation)).isTrue();
        assertThat(block.end(generation)).isFalse();
        assertThat(block.endExclusively(generation)).isFalse();
        long next = block.issue();
        assertThat(block.end(generation)).as("an earlier lease").isFalse();
        assertThat(block.endExclusively(generation)).as("an earlier lease").isFalse();
        assertThat(block.endExclusively(next)).isTrue();
        assertThat(block.endExclusively(next)).isFalse();
        assertThat(block.generation()).isEqualTo(4);
    }

    @Test
    void aBlockThatIsNotLeasedHasNoLeaseToEnd() {
        assertThat(block.end(0)).isFalse();
        assertThat(block.endExclusively(0)).isFalse();
        assertThat(block.generation()).isZero();
        assertThat(Block.isLease(0)).isFalse();
        assertThat(Block.isLease(1)).isTrue();
        assertThat(Block.isLease(2)).isFalse();
    }

    @Test
    void aWholeBlockIsAllOfItsMemory() {
        assertThat(block.offset()).isZero();
        assertThat(block.capacity()).isEqualTo(1024);
        assertThat(block.capacityFor(1)).isEqualTo(1024);
        assertThat(block.address()).isEqualTo(block.memory().segment().address());
        assertThat(block.segment()).isEqualTo(block.memory().segment());
    }

    @Test
    void aRangeIsAPartOfItsMemory() {
        Block range = range(source, 512, 256);
        assertThat(range.address()).isEqualTo(range.memory().segment().address() + 512);
        assertThat(range.segment()).isEqualTo(range.memory().segment().asSlice(512, 256));
    }

    @Test
    void aRangeOfAChunkHasTheCapacityOfWholeGranules() {
        var chunk = new Chunk(source.allocate(1000), 256, new FreeRanges(), false);
        Block range = new Block(chunk.memory(), chunk, true);
        assertThat(range.capacityFor(1)).isEqualTo(256);
        assertThat(range.capacityFor(257)).isEqualTo(512);
        assertThat(range.capacityFor(1000)).as("not more than the memory").isEqualTo(1000);
    }

    @Test
    void shardsCacheWholePowersOfTwoAndRangesOfChunks() {
        assertThat(block.isCacheable()).isTrue();
        assertThat(Block.whole(source.allocate(768)).isCacheable()).isFalse();
        var chunk = new Chunk(source.allocate(1024), 256, new FreeRanges(), false);
        Block range = new Block(chunk.memory(), chunk, true);
        range.setBounds(0, 768);
        assertThat(range.isCacheable()).isTrue();
    }

    @Test
    void aSegmentHasTheBytesOfTheLease() {
        Block range = range(source, 512, 512);
        MemorySegment segment = range.segment(null, 300);
        assertThat(segment.byteSize()).isEqualTo(300);
        assertThat(segment.address()).isEqualTo(range.address());
    }

    @Test
    void aSegmentIsUsedAgainForTheSameBytesAlone() {
        Block range = range(source, 512, 512);
        MemorySegment segment = range.segment(null, 300);
        assertThat(range.segment(null, 300)).isSameAs(segment);
        assertThat(range.segment(null, 301).byteSize()).isEqualTo(301);
        range.setBounds(1024, 512);
        MemorySegment moved = range.segment(null, 301);
        assertThat(moved.address()).isEqualTo(range.address());
        assertThat(moved.byteSize()).isEqualTo(301);
    }

    @Test
    void aSegmentReachesNoFurtherThanTheMemory() {
        Block range = range(source, FakeMemorySource.PAGE - 512, 512);
        assertThat(range.segment(null, 512).byteSize()).isEqualTo(512);
        assertThatIllegalStateException()
                .isThrownBy(() -> range.segment(null, 513))
                .withMessage("the lease has ended");
    }

    @Test
    void aSegmentCanHaveTheLifetimeOfAnArena() {
        Block range = range(source, 512, 512);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = range.segment(arena, 300);
            assertThat(segment.byteSize()).isEqualTo(300);
            assertThat(segment.address()).isEqualTo(range.address());
            assertThat(segment.scope()).isEqualTo(arena.scope());
        }
    }

    @Test
    void aLabelIsRemembered() {
        assertThat(block.labelled).isFalse();
        block.setLabelled();
        assertThat(block.labelled).isTrue();
    }

    @Test
    void aBlockThatWasNeverLeasedIsInNoShardAndAWholeOneInNoChunk() {
        assertThatThrownBy(block::shard)
                .isInstanceOf(AssertionError.class)
                .hasMessage("a block of 1024 bytes was never leased");
        assertThatThrownBy(block::division)
                .isInstanceOf(AssertionError.class)
                .hasMessage("a block of 1024 bytes is in no pool");
        var shard = new Shard();
        block.shard = shard;
        assertThat(block.shard()).isSameAs(shard);
    }

    @Test
    void theArenaOfALeaseIsClosedOnce() {
        assertThat(Block.closeLeaseArena(null)).as("a lease without an arena").isTrue();
        Arena arena = Arena.ofShared();
        assertThat(Block.closeLeaseArena(arena)).isTrue();
        assertThat(arena.scope().isAlive()).isFalse();
        assertThat(Block.closeLeaseArena(arena)).isFalse();
    }

    @Test
    void anArenaThatANativeCallUsesStaysOpen() {
        var arena = new FakeArena();
        arena.inUse = true;
        assertThatIllegalStateException()
                .isThrownBy(() -> Block.closeLeaseArena(arena))
                .withMessage("a native call is using the buffer: it cannot be released")
                .withCauseInstanceOf(IllegalStateException.class);
        assertThat(arena.isAlive()).isTrue();
        arena.inUse = false;
        assertThat(Block.closeLeaseArena(arena)).isTrue();
    }
}
