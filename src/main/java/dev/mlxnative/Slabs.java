package dev.mlxnative;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * {@link Sizing#COMPACT}: blocks of just the size that was asked for, cut from few large native buffers.
 *
 * <p>A request takes the best fit in the oldest slab that has one and is in use, so that the younger ones empty. When
 * none has, the pool may hold a little more than was ever live at once: all that this leaves goes into one new slab,
 * since fragmentation is lowest where memory is of one piece; if it leaves too little, the empty slabs go first. What
 * is large or small, short-lived or long-lived makes no difference. How it compares with fixed slab sizes, with slabs
 * of their own for large or small requests, and with other orders, is in PERFORMANCE.md.
 */
final class Slabs implements FreeMemory {
    /** What the pool may hold, in times the bytes that were ever live at once: a little below 1.15, for rounding. */
    private static final double ALLOWED = 1.1495;

    /** What a slab is a multiple of: Metal's page, on every machine, so that what was measured on one holds for all. */
    private static final long PAGE = 16_384;

    /** From the oldest to the youngest. */
    private final List<Slab> slabs = new ArrayList<>();

    private long liveBytes;
    private long peakLiveBytes;
    private long totalBytes;
    private int holeCount;
    private long holeBytes;
    private int emptyCount;
    private long emptyBytes;
    private int spoiltEmptyCount;
    private long filings;

    @Override
    public long capacityKept(Buckets sizes, long byteLength, boolean tight) {
        return NOTHING;
    }

    @Override
    public @Nullable Block take(Buckets sizes, long byteLength, boolean tight) {
        long bytes = Math.min(Slab.granules(byteLength), sizes.maximum());
        Slab slab = null;
        Block hole = null;
        for (int i = 0; i < slabs.size(); i++) {
            Slab candidate = slabs.get(i);
            boolean isFirstEmpty = candidate.isEmpty() && hole == null;
            if (!candidate.spoilt && (isFirstEmpty || !candidate.isEmpty())) {
                Block fit = candidate.bestFit(bytes);
                if (fit != null) {
                    slab = candidate;
                    hole = fit;
                    if (!slab.isEmpty()) {
                        break;
                    }
                }
            }
        }
        if (slab == null || hole == null) {
            return null;
        }
        uncount(slab);
        try {
            slab.take(hole, bytes);
        } finally {
            count(slab);
        }
        addLive(byteLength);
        return hole;
    }

    private void addLive(long byteLength) {
        liveBytes += byteLength;
        peakLiveBytes = Math.max(peakLiveBytes, liveBytes);
    }

    private void uncount(Slab slab) {
        count(slab, -1);
    }

    private void count(Slab slab) {
        count(slab, 1);
    }

    private void count(Slab slab, int sign) {
        holeCount += sign * slab.holeCount();
        holeBytes += sign * slab.holeBytes();
        if (slab.isEmpty()) {
            emptyCount += sign;
            emptyBytes += sign * slab.memory().capacity();
            spoiltEmptyCount += slab.spoilt ? sign : 0;
        }
    }

    @Override
    public List<NativeBuffer> makeWayFor(Buckets sizes, long byteLength) {
        List<NativeBuffer> evicted = new ArrayList<>();
        if (totalBytes + wholePages(sizes, PAGE, byteLength) > allowedWith(byteLength)) {
            for (NativeBuffer memory = evict(); memory != null; memory = evict()) {
                evicted.add(memory);
            }
        }
        return evicted;
    }

    private long allowedWith(long byteLength) {
        return (long) (ALLOWED * Math.max(peakLiveBytes, liveBytes + byteLength));
    }

    @Override
    public long capacityForNew(Buckets sizes, long byteLength, boolean tight) {
        long left = Math.max(0, allowedWith(byteLength) - totalBytes);
        long largest = sizes.maximum() / PAGE * PAGE;
        return Math.max(wholePages(sizes, PAGE, byteLength), Math.min(left / PAGE * PAGE, largest));
    }

    @Override
    public long leastCapacityForNew(Buckets sizes, long byteLength) {
        return wholePages(sizes, sizes.pageSize(), byteLength);
    }

    private static long wholePages(Buckets sizes, long pageSize, long byteLength) {
        long pages = (byteLength - 1) / pageSize + 1;
        return pages > sizes.maximum() / pageSize ? sizes.maximum() : pages * pageSize;
    }

    @Override
    public Block add(NativeBuffer fresh, long byteLength) {
        Slab slab = new Slab(fresh);
        long bytes = Math.min(Slab.granules(byteLength), fresh.capacity());
        Block hole = slab.bestFit(bytes);
        if (hole == null) {
            throw new AssertionError(fresh.capacity() + " bytes are too few for " + byteLength);
        }
        slab.take(hole, bytes);
        slabs.add(slab);
        totalBytes += fresh.capacity();
        count(slab);
        addLive(byteLength);
        return hole;
    }

    @Override
    public void add(Block block, boolean first) {
        Slab slab = block.slab();
        filings++;
        uncount(slab);
        slab.add(block);
        if (slab.isEmpty()) {
            slab.emptiedAt = first ? 0 : filings;
        }
        count(slab);
        liveBytes -= block.requestedBytes;
    }

    @Override
    public @Nullable NativeBuffer evict() {
        Slab slab = evictable();
        if (slab == null) {
            return null;
        }
        uncount(slab);
        slabs.remove(slab);
        totalBytes -= slab.memory().capacity();
        return slab.memory();
    }

    private @Nullable Slab evictable() {
        Slab oldest = null;
        for (Slab slab : slabs) {
            if (slab.isEmpty() && (slab.spoilt || oldest == null || slab.emptiedAt < oldest.emptiedAt)) {
                oldest = slab;
                if (slab.spoilt) {
                    break;
                }
            }
        }
        return oldest;
    }

    @Override
    public long evictableSince() {
        Slab slab = evictable();
        return slab == null ? Long.MAX_VALUE : slab.emptiedAt;
    }

    /**
     * Nothing of the block's slab is handed out any more: a neighbour could not be told from it once they are merged.
     */
    @Override
    public @Nullable NativeBuffer discard(Block block) {
        Slab slab = block.slab();
        uncount(slab);
        slab.spoilt = true;
        count(slab);
        add(block, true);
        return slab.isEmpty() ? evict() : null;
    }

    @Override
    public boolean hasSpoilt() {
        return spoiltEmptyCount > 0;
    }

    @Override
    public int count() {
        return holeCount;
    }

    @Override
    public long bytes() {
        return holeBytes;
    }

    @Override
    public int evictableCount() {
        return emptyCount;
    }

    @Override
    public long evictableBytes() {
        return emptyBytes;
    }

    @Override
    public long filings() {
        return filings;
    }

    @Override
    public long alignment(Buckets sizes) {
        return Slab.GRANULE;
    }
}
