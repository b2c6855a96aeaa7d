package dev.mlxnative.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.internal.device.GpuUse;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The blocks of a shard, each at a slot, and the lock that guards them. A list of blocks links slots and no references,
 * because G1 takes a memory barrier for a reference that is written into an old object.
 *
 * <p>A superclass and not a part of {@link Shard}, so that a hit follows one reference less.
 */
abstract class SlotTable extends SpinLock {
    /** Null where no block is. */
    @GuardedBy("this")
    private @Nullable Block[] blocks = new Block[64];
    /** Slots from here on have never been used. */
    @GuardedBy("this")
    private int usedSlots;

    /** A stack of the slots that were used and are free again. */
    @GuardedBy("this")
    private int[] freeSlots = new int[64];

    @GuardedBy("this")
    private int freeSlotCount;

    /**
     * Whether the next {@link #addBlock} allocates nothing. The caller holds the pool's lock, under which alone slots
     * are taken and freed, so it needs no lock of the shard.
     */
    @SuppressWarnings("GuardedBy")
    final boolean hasFreeSlot() {
        return freeSlotCount > 0 || usedSlots < blocks.length;
    }

    /** Grows the table so that the next {@link #addBlock} allocates nothing. */
    @GuardedBy("this")
    final void reserveBlockSlot() {
        if (freeSlotCount == 0 && usedSlots == blocks.length) {
            int length = usedSlots * 2;
            int[] slots = new int[length];
            blocks = Arrays.copyOf(blocks, length);
            freeSlots = slots;
        }
    }

    /** Adds a block; the caller has called {@link #reserveBlockSlot}. */
    @GuardedBy("this")
    final void addBlock(Block block) {
        block.slot = freeSlotCount > 0 ? freeSlots[--freeSlotCount] : usedSlots++;
        blocks[block.slot] = block;
    }

    @GuardedBy("this")
    final void removeBlock(Block block) {
        blocks[block.slot] = null;
        freeSlots[freeSlotCount++] = block.slot;
    }

    @GuardedBy("this")
    final Block at(int slot) {
        Block block = blocks[slot];
        if (block == null) {
            throw new AssertionError("no block is at slot " + slot);
        }
        return block;
    }

    /** Slots that were ever used: blocks are at lower ones alone. */
    @GuardedBy("this")
    final int usedSlots() {
        return usedSlots;
    }

    /** The block at a slot if it has a lease that a reset ends; else null. */
    @GuardedBy("this")
    final @Nullable Block resettableAt(int slot) {
        Block block = blocks[slot];
        return block != null && block.resettable && Block.isLease(block.generation()) ? block : null;
    }

    /** Records a use of a block by the GPU; false if the lease has ended. */
    final boolean use(Block block, long generation, GpuUse use) {
        lock();
        try {
            boolean isLeased = block.shard == this && block.isActive(generation);
            if (isLeased) {
                block.setLastUse(use);
            }
            return isLeased;
        } finally {
            unlock();
        }
    }
}
