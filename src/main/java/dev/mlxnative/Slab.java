package dev.mlxnative;

import org.jspecify.annotations.Nullable;

/**
 * A native buffer that is cut into blocks, with no gaps between them and no two free ones side by side. Not
 * thread-safe.
 */
final class Slab {
    /** Metal asks for offsets of this alignment at most. */
    static final long GRANULE = 256;

    private final NativeBuffer memory;
    /** The holes, by size class, and a bit for each class that has any. */
    private final @Nullable Block[] holes = new Block[SizeClass.COUNT];

    private final long[] classesWithHoles = new long[SizeClass.COUNT / Long.SIZE];
    /** Blocks that were merged into others; their leases count on when they are used again. */
    private @Nullable Block spare;

    private int blocksOut;
    private int holeCount;
    private long holeBytes;
    /** Whether no block of it may be handed out any more. */
    boolean spoilt;
    /** When it became empty, in the count of filings. */
    long emptiedAt;

    Slab(NativeBuffer memory) {
        this.memory = memory;
        Block all = new Block(memory, this);
        all.reshape(0, memory.capacity());
        addHole(all);
    }

    /** What a request takes of a slab. */
    static long granules(long byteLength) {
        return (byteLength + GRANULE - 1) / GRANULE * GRANULE;
    }

    NativeBuffer memory() {
        return memory;
    }

    boolean isEmpty() {
        return blocksOut == 0;
    }

    int holeCount() {
        return holeCount;
    }

    long holeBytes() {
        return holeBytes;
    }

    /** The smallest hole that has so many bytes; null if none has. */
    @Nullable
    Block bestFit(long bytes) {
        int own = SizeClass.of(bytes);
        Block best = smallest(own, bytes);
        if (best == null) {
            int next = nextClassWithHoles(own + 1);
            best = next < 0 ? null : smallest(next, bytes);
        }
        return best;
    }

    private @Nullable Block smallest(int sizeClass, long bytes) {
        Block best = null;
        for (Block hole = holes[sizeClass]; hole != null; hole = hole.older) {
            if (hole.capacity() >= bytes && (best == null || isBetter(hole, best))) {
                best = hole;
            }
        }
        return best;
    }

    private static boolean isBetter(Block hole, Block best) {
        return hole.capacity() < best.capacity()
                || (hole.capacity() == best.capacity() && hole.offset() < best.offset());
    }

    private int nextClassWithHoles(int from) {
        for (int word = from / Long.SIZE; word < classesWithHoles.length; word++) {
            long bits = classesWithHoles[word];
            if (word == from / Long.SIZE) {
                bits &= -1L << from;
            }
            if (bits != 0) {
                return word * Long.SIZE + Long.numberOfTrailingZeros(bits);
            }
        }
        return -1;
    }

    /** Hands out the start of a hole, and leaves the rest of it. Nothing has happened if that fails. */
    void take(Block hole, long bytes) {
        long rest = hole.capacity() - bytes;
        Block remainder = rest == 0 ? null : unused();
        removeHole(hole);
        if (remainder != null) {
            remainder.reshape(hole.offset() + bytes, rest);
            remainder.before = hole;
            remainder.after = hole.after;
            if (hole.after != null) {
                hole.after.before = remainder;
            }
            hole.after = remainder;
            hole.reshape(hole.offset(), bytes);
            addHole(remainder);
        }
        blocksOut++;
    }

    private Block unused() {
        Block block = spare;
        if (block == null) {
            return new Block(memory, this);
        }
        spare = block.older;
        block.older = null;
        return block;
    }

    /** Takes a block back, and makes one hole of it and those beside it. */
    void add(Block block) {
        blocksOut--;
        Block hole = block;
        Block after = block.after;
        if (after != null && after.isHole) {
            swallow(hole, after);
        }
        Block before = block.before;
        if (before != null && before.isHole) {
            removeHole(before);
            join(before, hole);
            hole = before;
        }
        addHole(hole);
    }

    private void swallow(Block block, Block after) {
        removeHole(after);
        join(block, after);
    }

    private void join(Block block, Block after) {
        block.reshape(block.offset(), block.capacity() + after.capacity());
        block.after = after.after;
        if (after.after != null) {
            after.after.before = block;
        }
        after.before = null;
        after.after = null;
        after.older = spare;
        spare = after;
    }

    private void addHole(Block hole) {
        int sizeClass = SizeClass.of(hole.capacity());
        Block head = holes[sizeClass];
        hole.isHole = true;
        hole.newer = null;
        hole.older = head;
        if (head != null) {
            head.newer = hole;
        }
        holes[sizeClass] = hole;
        classesWithHoles[sizeClass / Long.SIZE] |= 1L << sizeClass;
        holeCount++;
        holeBytes += hole.capacity();
    }

    private void removeHole(Block hole) {
        int sizeClass = SizeClass.of(hole.capacity());
        hole.isHole = false;
        if (hole.newer == null) {
            holes[sizeClass] = hole.older;
            if (hole.older == null) {
                classesWithHoles[sizeClass / Long.SIZE] &= ~(1L << sizeClass);
            }
        } else {
            hole.newer.older = hole.older;
        }
        if (hole.older != null) {
            hole.older.newer = hole.newer;
        }
        hole.newer = null;
        hole.older = null;
        holeCount--;
        holeBytes -= hole.capacity();
    }
}
