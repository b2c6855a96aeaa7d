package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.device.DeviceMemory;
import org.jspecify.annotations.Nullable;

/**
 * A native buffer of {@link SegregatedFreeLists}, divided into blocks of one bucket: many in a page that small buckets
 * share, otherwise one. Not thread-safe; the pool's lock guards it.
 */
final class Slab implements Division {
    private final DeviceMemory memory;
    private final Bucket bucket;
    private final int blockCount;

    /** The free blocks, the one that became free last at the front. */
    private @Nullable Block free;

    private int freeCount;
    private int quarantinedCount;

    /** When the slab became unused, in the count of {@link FreeSpace#frees}; 0 if it is to be evicted first. */
    long freedAt;

    /** The slab before this one in a list of its bucket. */
    @Nullable
    Slab previous;

    /** The slab after this one in a list of its bucket. */
    @Nullable
    Slab next;

    /** The unused slab that became so before this one. */
    @Nullable
    Slab older;

    /** The unused slab that became so after this one. */
    @Nullable
    Slab newer;

    /** Divides a memory whose capacity is a multiple of the bucket. All blocks are free. */
    Slab(DeviceMemory memory, Bucket bucket) {
        this.memory = memory;
        this.bucket = bucket;
        long capacity = bucket.capacity();
        blockCount = (int) (memory.capacity() / capacity);
        for (int i = blockCount - 1; i >= 0; i--) {
            Block block = new Block(memory, this, false);
            block.setBounds(i * capacity, capacity);
            push(block);
        }
    }

    DeviceMemory memory() {
        return memory;
    }

    Bucket bucket() {
        return bucket;
    }

    @Override
    public long capacityFor(long byteLength) {
        return bucket.capacity();
    }

    private void push(Block block) {
        block.older = free;
        free = block;
        freeCount++;
    }

    /** Takes a free block, of which there is one. */
    Block take() {
        Block block = free;
        if (block == null) {
            throw new AssertionError("a slab of " + memory.capacity() + " bytes has no free block");
        }
        free = block.older;
        block.older = null;
        freeCount--;
        return block;
    }

    /** Takes back a block. */
    void free(Block block) {
        push(block);
    }

    /** Takes back a block that GPU work may still use. It stays as it is until the slab is evicted. */
    void quarantine() {
        quarantinedCount++;
    }

    /** Whether a block can be taken. */
    boolean hasFreeBlock() {
        return freeCount > 0;
    }

    /** Whether no block is leased. */
    boolean isUnused() {
        return freeCount + quarantinedCount == blockCount;
    }

    /** Whether no block is leased, and a quarantined one makes the slab unfit for further leases. */
    boolean isDrained() {
        return quarantinedCount > 0 && isUnused();
    }

    /** Whether exactly one block is leased. */
    boolean isLastLease() {
        return freeCount + quarantinedCount == blockCount - 1;
    }

    /** Free and quarantined blocks. */
    int unleasedCount() {
        return freeCount + quarantinedCount;
    }
}
