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
    /** The heads of the lists of free ranges, by bin. */
    private final @Nullable Block[] freeRanges = new Block[SizeBins.COUNT];

    /** A bit for each bin that has free ranges. */
    private final long[] freeBits = new long[SizeBins.COUNT / Long.SIZE];

    /** A list of blocks that were merged into others. Their generations go on when they are used again. */
    private @Nullable Block spares;

    private int leasedCount;
    private int freeRangeCount;
    private long freeRangeBytes;
    private int quarantinedCount;
    private long quarantinedBytes;
    /** When the last lease ended, in the count of {@link FreeSpace#frees}; 0 if the chunk is to be evicted first. */
    long emptiedAt;

    /** @param granule the unit of the blocks' sizes in bytes, a power of two */
    Chunk(DeviceMemory memory, long granule) {
        this.memory = memory;
        this.granule = granule;
        Block all = new Block(memory, this, true);
        all.setBounds(0, memory.capacity());
        addFreeRange(all);
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

    /** Whether no block is leased. */
    boolean isEmpty() {
        return leasedCount == 0;
    }

    /** Whether no block is leased, and a quarantined range makes the chunk unfit for further leases. */
    boolean isDrained() {
        return isEmpty() && quarantinedCount > 0;
    }

    /** Free and quarantined ranges. */
    int freeCount() {
        return freeRangeCount + quarantinedCount;
    }

    /** Bytes of the free and the quarantined ranges. */
    long freeBytes() {
        return freeRangeBytes + quarantinedBytes;
    }

    /** The smallest free range of at least this many bytes, the one of least offset among equals; null if none. */
    @Nullable
    Block bestFit(long bytes) {
        int own = SizeBins.of(bytes);
        Block best = smallest(own, bytes);
        if (best == null) {
            int next = nextBinWithFreeRanges(own + 1);
            best = next < 0 ? null : smallest(next, bytes);
        }
        return best;
    }

    private @Nullable Block smallest(int bin, long bytes) {
        Block best = null;
        for (Block range = freeRanges[bin]; range != null; range = range.older) {
            if (range.capacity() >= bytes && (best == null || isBetter(range, best))) {
                best = range;
            }
        }
        return best;
    }

    private static boolean isBetter(Block range, Block best) {
        return range.capacity() < best.capacity()
                || (range.capacity() == best.capacity() && range.offset() < best.offset());
    }

    private int nextBinWithFreeRanges(int from) {
        for (int word = from / Long.SIZE; word < freeBits.length; word++) {
            long bits = freeBits[word];
            if (word == from / Long.SIZE) {
                bits &= -1L << from;
            }
            if (bits != 0) {
                return word * Long.SIZE + Long.numberOfTrailingZeros(bits);
            }
        }
        return -1;
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

    /** Frees a leased block and coalesces it with the free ranges beside it. */
    void free(Block block) {
        leasedCount--;
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
    }

    /**
     * Ends the use of a leased block without making it free: GPU work may still use it. The range stays as it is until
     * all of the chunk is freed.
     */
    void quarantine(Block block) {
        leasedCount--;
        quarantinedCount++;
        quarantinedBytes += block.capacity();
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
        int bin = SizeBins.of(range.capacity());
        Block head = freeRanges[bin];
        range.isFreeRange = true;
        range.newer = null;
        range.older = head;
        if (head != null) {
            head.newer = range;
        }
        freeRanges[bin] = range;
        freeBits[bin / Long.SIZE] |= 1L << bin;
        freeRangeCount++;
        freeRangeBytes += range.capacity();
    }

    private void removeFreeRange(Block range) {
        int bin = SizeBins.of(range.capacity());
        range.isFreeRange = false;
        if (range.newer == null) {
            freeRanges[bin] = range.older;
            if (range.older == null) {
                freeBits[bin / Long.SIZE] &= ~(1L << bin);
            }
        } else {
            range.newer.older = range.older;
        }
        if (range.older != null) {
            range.older.newer = range.newer;
        }
        range.newer = null;
        range.older = null;
        freeRangeCount--;
        freeRangeBytes -= range.capacity();
    }
}
