package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SlotTableTest {
    private final FakeMemorySource source = new FakeMemorySource();
    private final SlotTable table = new SlotTable() {};

    private Block added() {
        Block block = Block.whole(source.allocate(256));
        table.reserveBlockSlot();
        table.addBlock(block);
        return block;
    }

    private static Block leased(Block block, boolean resettable) {
        block.issue();
        block.resettable = resettable;
        return block;
    }

    private List<Block> resettable() {
        return IntStream.range(0, table.usedSlots())
                .mapToObj(table::resettableAt)
                .filter(Objects::nonNull)
                .toList();
    }

    @Test
    void everyBlockIsFoundAtItsSlot() {
        List<Block> blocks = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            blocks.add(added());
        }
        assertThat(blocks).extracting(block -> block.slot).doesNotHaveDuplicates();
        assertThat(blocks).allSatisfy(block -> assertThat(table.at(block.slot)).isSameAs(block));
    }

    @Test
    void aSlotIsUsedAgain() {
        Block first = added();
        Block second = added();
        table.removeBlock(first);
        table.removeBlock(second);
        assertThat(added().slot).as("the slot that was freed last").isEqualTo(second.slot);
        assertThat(added().slot).isEqualTo(first.slot);
        assertThat(added().slot).as("a slot that was never used").isEqualTo(2);
    }

    @Test
    void aFullTableHasRoomForAsManyFreeSlots() {
        List<Block> blocks = new ArrayList<>();
        for (int i = 0; i < 65; i++) {
            blocks.add(added());
        }
        blocks.forEach(table::removeBlock);
        assertThat(added().slot).isEqualTo(64);
    }

    @Test
    void aTableWithAFreeSlotDoesNotGrow() {
        List<Block> blocks = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            blocks.add(added());
        }
        table.removeBlock(blocks.get(7));
        assertThat(added().slot).isEqualTo(7);
        blocks.stream().filter(block -> block.slot != 7).forEach(table::removeBlock);
        assertThat(added().slot).as("the free slots were kept").isEqualTo(63);
    }

    @Test
    void noBlockIsAtAFreeSlot() {
        Block block = added();
        table.removeBlock(block);
        assertThatThrownBy(() -> table.at(block.slot))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("slot 0");
    }

    @Test
    void aResetEndsTheLeasesThatAreActiveAndAllowIt() {
        Block active = leased(added(), true);
        leased(added(), false);
        Block ended = leased(added(), true);
        ended.end(ended.generation());
        Block removed = leased(added(), true);
        table.removeBlock(removed);
        Block last = leased(added(), true);
        Block afterIt = leased(added(), true);
        assertThat(resettable()).containsExactlyInAnyOrder(active, last, afterIt);
        assertThat(table.resettableAt(ended.slot)).isNull();
        table.removeBlock(last);
        assertThat(table.resettableAt(last.slot)).as("no block is there").isNull();
    }

    @Test
    void aResetFindsTheLeasesOfAFullTable() {
        List<Block> blocks = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            blocks.add(leased(added(), true));
        }
        assertThat(resettable()).containsExactlyElementsOf(blocks);
    }
}
