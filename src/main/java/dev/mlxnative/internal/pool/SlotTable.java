package dev.mlxnative.internal.pool;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The blocks of a shard, each at a slot. A list of blocks links slots and no references, because G1 takes a memory
 * barrier for a reference that is written into an old object. Not thread-safe; the shard's lock guards it.
 */
final class SlotTable {
    private @Nullable Block[] blocks = new Block[64];
    /** Slots from here on have never been used. */
    private int usedSlots;
    /** A stack of the slots that were used and are free again. */
    private int[] freeSlots = new int[64];

    private int freeSlotCount;

    /** Grows the table so that the next {@link #add} allocates nothing. */
    void reserve() {
        if (freeSlotCount == 0 && usedSlots == blocks.length) {
            int length = usedSlots * 2;
            int[] slots = new int[length];
            blocks = Arrays.copyOf(blocks, length);
            freeSlots = slots;
        }
    }

    /** Adds a block; the caller has called {@link #reserve}. */
    void add(Block block) {
        block.slot = freeSlotCount > 0 ? freeSlots[--freeSlotCount] : usedSlots++;
        blocks[block.slot] = block;
    }

    void remove(Block block) {
        blocks[block.slot] = null;
        freeSlots[freeSlotCount++] = block.slot;
    }

    Block at(int slot) {
        Block block = blocks[slot];
        if (block == null) {
            throw new AssertionError("no block is at slot " + slot);
        }
        return block;
    }

    /** The blocks with a lease that a reset ends; {@code expected} sizes the list. */
    List<Block> resettable(int expected) {
        List<Block> resettable = new ArrayList<>(expected);
        for (int slot = 0; slot < usedSlots; slot++) {
            Block block = blocks[slot];
            if (block != null && block.resettable && Block.isLease(block.generation())) {
                resettable.add(block);
            }
        }
        return resettable;
    }
}
