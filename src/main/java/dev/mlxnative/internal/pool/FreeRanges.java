package dev.mlxnative.internal.pool;

import org.jspecify.annotations.Nullable;

/**
 * The free ranges of the chunks of one kind, in a list for each {@linkplain SizeBins bin}. Not thread-safe; the pool's
 * lock guards it.
 */
final class FreeRanges {
    /** A request may take a chunk that is larger by this part of it: little waste for much more reuse. */
    private static final int WASTE_PART = 8;

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

    /** The smallest empty chunk of at least this many bytes and little more; null if there is none. */
    @Nullable
    Block smallestEmptyChunk(long bytes) {
        long most = bytes + bytes / WASTE_PART;
        int last = SizeBins.of(most);
        for (int bin = nextBin(SizeBins.of(bytes)); bin != FreeRanges.NONE && bin <= last; bin = nextBin(bin + 1)) {
            Block best = null;
            for (Block range = first(bin); range != null; range = range.older) {
                long capacity = range.capacity();
                boolean fits =
                        capacity >= bytes && capacity <= most && Chunk.of(range).isEmpty();
                if (fits && (best == null || capacity < best.capacity())) {
                    best = range;
                }
            }
            if (best != null) {
                return best;
            }
        }
        return null;
    }

    /**
     * The smallest range of at least this many bytes that does not take too much; null if there is none.
     *
     * @param mostSurplus bytes by which the {@linkplain Chunk#surplus surplus} may grow; the largest long for any
     */
    @Nullable
    Block smallest(long bytes, long mostSurplus) {
        for (int bin = nextBin(SizeBins.of(bytes)); bin != FreeRanges.NONE; bin = nextBin(bin + 1)) {
            Block best = null;
            for (Block range = first(bin); range != null; range = range.older) {
                boolean fits = range.capacity() >= bytes && (best == null || range.capacity() < best.capacity());
                if (fits && isAllowed(Chunk.of(range), bytes, mostSurplus)) {
                    best = range;
                    if (range.capacity() == bytes) {
                        return range;
                    }
                }
            }
            if (best != null) {
                return best;
            }
        }
        return null;
    }

    private static boolean isAllowed(Chunk chunk, long bytes, long mostSurplus) {
        return mostSurplus == Long.MAX_VALUE || chunk.surplusWith(bytes) - chunk.surplus() <= mostSurplus;
    }
}
