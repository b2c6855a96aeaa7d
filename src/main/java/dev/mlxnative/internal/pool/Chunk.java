package dev.mlxnative.internal.pool;

import dev.mlxnative.internal.device.DeviceMemory;
import org.jspecify.annotations.Nullable;

/**
 * A native buffer that is divided into blocks. The blocks cover all of it, and free ranges are coalesced: no two are
 * adjacent. Not thread-safe; the pool's lock guards it.
 */
final class Chunk implements Division {
    private final DeviceMemory memory;
    private final long granule;
    private final FreeRanges freeRanges;
    /** The block at offset 0. */
    private final Block first;

    /** A list of blocks that were merged into others. Their generations go on when they are used again. */
    private @Nullable Block spares;

    /** Whether small requests share the chunk. */
    private final boolean isShared;

    private int leasedCount;
    /** The capacity of the smallest block that is leased or quarantined; not kept in a shared chunk. */
    private long smallestLease = Long.MAX_VALUE;

    private int freeRangeCount;
    private long freeRangeBytes;
    private int quarantinedCount;
    private long quarantinedBytes;
    /** When the last lease ended, in the count of {@link FreeSpace#frees}; 0 if the chunk is to be evicted first. */
    long emptiedAt;

    /**
     * A chunk that is empty, and has not listed its free range yet.
     *
     * @param granule the unit of the blocks' sizes in bytes, a power of two
     * @param freeRanges where the free ranges of the chunk are listed
     * @param isShared whether small requests share it
     */
    Chunk(DeviceMemory memory, long granule, FreeRanges freeRanges, boolean isShared) {
        this.memory = memory;
        this.granule = granule;
        this.freeRanges = freeRanges;
        this.isShared = isShared;
        first = new Block(memory, this, true);
        first.setBounds(0, memory.capacity());
        // So that the first lease allocates nothing.
        spares = new Block(memory, this, true);
    }

    /** Lists all of the chunk as one free range, and returns it. Allocates nothing. */
    Block list() {
        addFreeRange(first);
        return first;
    }

    /** The chunk that a block is a range of. */
    static Chunk of(Block block) {
        return (Chunk) block.division();
    }

    /** Rounds a request up to whole granules. */
    long granules(long byteLength) {
        return roundUp(byteLength, granule);
    }

    /** Rounds up to a multiple of a unit, which is a power of two: a hit should not divide. */
    static long roundUp(long byteLength, long unit) {
        return (byteLength + unit - 1) & -unit;
    }

    @Override
    public long capacityFor(long byteLength) {
        return Math.min(granules(byteLength), memory.capacity());
    }

    DeviceMemory memory() {
        return memory;
    }

    /**
     * Bytes that the chunk holds beyond its leases, once all but the smallest have ended: only then does a block not
     * keep more memory in use than is counted here. In a shared chunk, those that it holds at this moment.
     */
    long surplus() {
        if (isEmpty()) {
            return 0;
        }
        return isShared ? freeBytes() : memory.capacity() - smallestLease;
    }

    /** The surplus with one more lease of this many bytes. */
    long surplusWith(long bytes) {
        return memory.capacity() - (isEmpty() ? bytes : Math.min(bytes, smallestLease));
    }

    /** Whether no block is leased. */
    boolean isEmpty() {
        return leasedCount == 0;
    }

    /** Whether no block is leased, and a quarantined range makes the chunk unfit for further leases. */
    boolean isDrained() {
        return isEmpty() && quarantinedCount > 0;
    }

    /** Bytes of the quarantined ranges. */
    long quarantinedBytes() {
        return quarantinedBytes;
    }

    /** Free and quarantined ranges. */
    int freeCount() {
        return freeRangeCount + quarantinedCount;
    }

    /** Bytes of the free and the quarantined ranges. */
    long freeBytes() {
        return freeRangeBytes + quarantinedBytes;
    }

    /** Leases the start of a free range and leaves the rest free. If this fails, nothing has happened. */
    void lease(Block range, long bytes) {
        long rest = range.capacity() - bytes;
        Block remainder = rest == 0 ? null : spareOrNew();
        removeFreeRange(range);
        if (remainder != null) {
            remainder.setBounds(range.offset() + bytes, rest);
            remainder.before = range;
            remainder.after = range.after;
            if (range.after != null) {
                range.after.before = remainder;
            }
            range.after = remainder;
            range.setBounds(range.offset(), bytes);
            addFreeRange(remainder);
        }
        leasedCount++;
        smallestLease = Math.min(smallestLease, bytes);
    }

    private Block spareOrNew() {
        Block block = spares;
        if (block == null) {
            return new Block(memory, this, true);
        }
        spares = block.older;
        block.older = null;
        return block;
    }

    /**
     * Frees a leased block and coalesces it with the free ranges beside it. If that drains the chunk, it is unlisted.
     */
    void free(Block block) {
        leasedCount--;
        long bytes = block.capacity();
        Block range = block;
        Block after = block.after;
        if (after != null && after.isFreeRange) {
            removeFreeRange(after);
            join(range, after);
        }
        Block before = block.before;
        if (before != null && before.isFreeRange) {
            removeFreeRange(before);
            join(before, range);
            range = before;
        }
        addFreeRange(range);
        updateSmallestLease(bytes);
        unlistIfDrained();
    }

    private void updateSmallestLease(long ended) {
        if (ended == smallestLease && !isShared) {
            smallestLease = Long.MAX_VALUE;
            for (Block block = first; block != null && smallestLease > ended; block = block.after) {
                if (!block.isFreeRange) {
                    smallestLease = Math.min(smallestLease, block.capacity());
                }
            }
        }
    }

    /**
     * Ends the use of a leased block without making it free: GPU work may still use it. The range stays as it is until
     * all of the chunk is freed. If this drains the chunk, it is unlisted.
     */
    void quarantine(Block block) {
        leasedCount--;
        quarantinedCount++;
        quarantinedBytes += block.capacity();
        unlistIfDrained();
    }

    private void unlistIfDrained() {
        if (isDrained()) {
            unlist();
        }
    }

    /** Takes the free ranges off their list, because no request may take them any more. */
    void unlist() {
        for (Block block = first; block != null; block = block.after) {
            if (block.isFreeRange) {
                freeRanges.remove(block);
            }
        }
    }

    /** Merges two adjacent blocks; the second one becomes a spare. */
    private void join(Block block, Block after) {
        block.setBounds(block.offset(), block.capacity() + after.capacity());
        block.after = after.after;
        if (after.after != null) {
            after.after.before = block;
        }
        after.before = null;
        after.after = null;
        after.older = spares;
        spares = after;
    }

    private void addFreeRange(Block range) {
        freeRanges.add(range);
        freeRangeCount++;
        freeRangeBytes += range.capacity();
    }

    private void removeFreeRange(Block range) {
        freeRanges.remove(range);
        freeRangeCount--;
        freeRangeBytes -= range.capacity();
    }
}
