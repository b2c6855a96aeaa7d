package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.mlxnative.internal.device.DeviceMemory;
import org.junit.jupiter.api.Test;

class SlabTest {
    private final FakeMemorySource source = new FakeMemorySource();
    private final DeviceMemory memory = source.allocate(PAGE);
    private final Bucket bucket = new Bucket(PAGE / 4);
    /** Of four blocks. */
    private final Slab slab = new Slab(memory, bucket);

    @Test
    void aPageIsDividedIntoAdjacentBlocks() {
        var slabOfSmallest = new Slab(memory, new Bucket(256));
        assertThat(slabOfSmallest.unleasedCount()).isEqualTo(64);
        for (int i = 0; i < 64; i++) {
            Block block = slabOfSmallest.take();
            assertThat(block.offset()).isEqualTo(256L * i);
            assertThat(block.capacity()).isEqualTo(256);
            assertThat(block.memory()).isSameAs(memory);
            assertThat(block.division()).isSameAs(slabOfSmallest);
            assertThat(block.older).as("it leads to no other").isNull();
        }
        assertThat(slabOfSmallest.hasFreeBlock()).isFalse();
    }

    @Test
    void aNativeBufferOfItsBucketIsOneBlock() {
        var whole = new Slab(memory, new Bucket(PAGE));
        Block block = whole.take();
        assertThat(block.offset()).isZero();
        assertThat(block.capacity()).isEqualTo(PAGE);
        assertThat(whole.hasFreeBlock()).isFalse();
    }

    @Test
    void itKnowsItsMemoryAndItsBucket() {
        assertThat(slab.memory()).isSameAs(memory);
        assertThat(slab.bucket()).isSameAs(bucket);
    }

    @Test
    void theBlockThatBecameFreeLastIsTakenFirst() {
        Block first = slab.take();
        Block second = slab.take();
        slab.free(second);
        slab.free(first);
        assertThat(slab.take()).isSameAs(first);
        assertThat(slab.take()).isSameAs(second);
    }

    @Test
    void aSlabWithoutAFreeBlockGivesNone() {
        for (int i = 0; i < 4; i++) {
            assertThat(slab.hasFreeBlock()).isTrue();
            slab.take();
        }
        assertThat(slab.hasFreeBlock()).isFalse();
        assertThatThrownBy(slab::take).isInstanceOf(AssertionError.class).hasMessageContaining("16384");
    }

    @Test
    void aSlabIsUnusedWhenNoBlockIsLeased() {
        assertThat(slab.isUnused()).isTrue();
        assertThat(slab.isLastLease()).isFalse();
        Block first = slab.take();
        assertThat(slab.isUnused()).isFalse();
        assertThat(slab.isLastLease()).isTrue();
        Block second = slab.take();
        assertThat(slab.isLastLease()).isFalse();
        assertThat(slab.unleasedCount()).isEqualTo(2);
        slab.free(first);
        assertThat(slab.isLastLease()).isTrue();
        slab.free(second);
        assertThat(slab.isUnused()).isTrue();
        assertThat(slab.isDrained()).as("nothing of it was quarantined").isFalse();
        assertThat(slab.unleasedCount()).isEqualTo(4);
    }

    @Test
    void aQuarantinedBlockCountsAsFreeAndIsNotTaken() {
        Block leaked = slab.take();
        Block other = slab.take();
        slab.quarantine();
        assertThat(slab.unleasedCount()).isEqualTo(3);
        assertThat(slab.isLastLease()).isTrue();
        assertThat(slab.isDrained()).as("a block is leased").isFalse();
        assertThat(slab.take()).isNotSameAs(leaked);
        assertThat(slab.take()).isNotSameAs(leaked);
        assertThat(slab.hasFreeBlock()).isFalse();
        assertThat(slab.isUnused()).isFalse();
        slab.free(other);
        assertThat(slab.hasFreeBlock()).isTrue();
    }

    @Test
    void aSlabIsDrainedWhenNothingButAQuarantinedBlockUsesIt() {
        slab.take();
        Block other = slab.take();
        slab.quarantine();
        slab.free(other);
        assertThat(slab.isUnused()).isTrue();
        assertThat(slab.isDrained()).isTrue();
    }
}
