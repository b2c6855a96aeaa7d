package dev.mlxnative.internal.pool;

import org.jspecify.annotations.Nullable;

/**
 * The free ranges of the chunks of one kind, in a list for each {@linkplain SizeBins bin}. Not thread-safe; the pool's
 * lock guards it.
 */
final class FreeRanges {
    /** No bin. */
    static final int NONE = -1;

    private final @Nullable Block[] heads = new Block[SizeBins.COUNT];
    /** A bit for each bin that has ranges. */
    private final long[] bits = new long[SizeBins.COUNT / Long.SIZE];

    void add(Block range) {
        int bin = SizeBins.of(range.capacity());
        Block head = heads[bin];
        range.isFreeRange = true;
        range.newer = null;
        range.older = head;
        if (head != null) {
            head.newer = range;
        }
        heads[bin] = range;
        bits[bin / Long.SIZE] |= 1L << bin;
    }

    void remove(Block range) {
        range.isFreeRange = false;
        if (range.newer != null) {
            range.newer.older = range.older;
        } else {
            int bin = SizeBins.of(range.capacity());
            heads[bin] = range.older;
            if (range.older == null) {
                bits[bin / Long.SIZE] &= ~(1L << bin);
            }
        }
        if (range.older != null) {
            range.older.newer = range.newer;
        }
        range.newer = null;
        range.older = null;
    }

    /** The first range of a bin; the others follow along {@link Block#older}. */
    @Nullable
    Block first(int bin) {
        return heads[bin];
    }

    /** The first bin from this one on that has ranges; {@link #NONE} if there is none. */
    int nextBin(int from) {
        for (int word = from / Long.SIZE; word < bits.length; word++) {
            long rest = bits[word];
            if (word == from / Long.SIZE) {
                rest &= -1L << from;
            }
            if (rest != 0) {
                return word * Long.SIZE + Long.numberOfTrailingZeros(rest);
            }
        }
        return NONE;
    }
}
