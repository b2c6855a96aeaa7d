package dev.mlxnative.internal.pool;

import dev.mlxnative.Sizing;
import dev.mlxnative.internal.device.DeviceMemory;
import dev.mlxnative.internal.device.DeviceTraits;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * {@link Sizing#COMPACT}: blocks of the requested size, placed by best fit in a few large chunks and coalesced when
 * they become free.
 *
 * <p>A request takes the best fit in the oldest chunk that is in use and has one, so that younger chunks become empty;
 * failing that, in the oldest empty chunk; failing that, in a new one. The target of the footprint is {@code 1.1495 ×
 * peak live bytes}. A new chunk takes all that the target leaves, because one large chunk fragments least, and never
 * less than the request needs. If the target leaves too little, the empty chunks are freed first. PERFORMANCE.md
 * compares this with other placements.
 *
 * <p>Not thread-safe; the pool's lock guards it.
 */
final class BestFitChunks implements FreeSpace {
    /** The target of the footprint, in times the peak of live bytes: a little below 1.15, for rounding. */
    private static final double FOOTPRINT_TARGET = 1.1495;

    private final DeviceTraits traits;

    /** From the oldest to the youngest. */
    private final List<Chunk> chunks = new ArrayList<>();

    private long liveBytes;
    private long peakLiveBytes;
    private long totalBytes;
    private int freeCount;
    private long freeBytes;
    private int emptyCount;
    private long emptyBytes;
    private int drainedCount;
    private long frees;

    BestFitChunks(DeviceTraits traits) {
        this.traits = traits;
    }

    @Override
    public @Nullable Block take(SizeRounding rounding, long byteLength, boolean underPressure) {
        long bytes = Math.min(Chunk.roundUp(byteLength, traits.offsetAlignment()), rounding.maximum());
        Chunk chunk = null;
        Block range = null;
        for (int i = 0; i < chunks.size(); i++) {
            Chunk candidate = chunks.get(i);
            // An empty chunk is the second choice, and the oldest one is enough.
            boolean isCandidate = !candidate.isEmpty() || (range == null && !candidate.isDrained());
            Block fit = isCandidate ? candidate.bestFit(bytes) : null;
            if (fit != null) {
                chunk = candidate;
                range = fit;
                if (!chunk.isEmpty()) {
                    break;
                }
            }
        }
        if (chunk == null || range == null) {
            return null;
        }
        uncount(chunk);
        try {
            chunk.lease(range, bytes);
        } finally {
            count(chunk);
        }
        addLive(byteLength);
        return range;
    }

    private void addLive(long byteLength) {
        liveBytes += byteLength;
        peakLiveBytes = Math.max(peakLiveBytes, liveBytes);
    }

    /** Adds the figures of a chunk to the totals. */
    private void count(Chunk chunk) {
        addToTotals(chunk, 1);
    }

    /** Takes the figures of a chunk out of the totals before they change. */
    private void uncount(Chunk chunk) {
        addToTotals(chunk, -1);
    }

    private void addToTotals(Chunk chunk, int sign) {
        freeCount += sign * chunk.freeCount();
        freeBytes += sign * chunk.freeBytes();
        if (chunk.isEmpty()) {
            emptyCount += sign;
            emptyBytes += sign * chunk.memory().capacity();
            drainedCount += chunk.isDrained() ? sign : 0;
        }
    }

    @Override
    public boolean isObstructed(SizeRounding rounding, long byteLength) {
        return totalBytes + rounding.wholePages(byteLength, traits.chunkUnit()) > targetWith(byteLength);
    }

    private long targetWith(long byteLength) {
        return (long) (FOOTPRINT_TARGET * Math.max(peakLiveBytes, liveBytes + byteLength));
    }

    @Override
    public long capacityForNew(SizeRounding rounding, long byteLength, boolean underPressure) {
        long unit = traits.chunkUnit();
        long left = Math.max(0, targetWith(byteLength) - totalBytes);
        long largest = rounding.maximum() / unit * unit;
        return Math.max(rounding.wholePages(byteLength, unit), Math.min(left / unit * unit, largest));
    }

    @Override
    public long leastCapacityForNew(SizeRounding rounding, long byteLength) {
        return rounding.wholePages(byteLength, rounding.pageSize());
    }

    @Override
    public Block addNew(SizeRounding rounding, DeviceMemory memory, long byteLength) {
        Chunk chunk = new Chunk(memory, traits.offsetAlignment());
        long bytes = Math.min(chunk.granules(byteLength), memory.capacity());
        Block range = chunk.bestFit(bytes);
        if (range == null || bytes < byteLength) {
            throw new AssertionError(memory.capacity() + " bytes are too few for " + byteLength);
        }
        chunk.lease(range, bytes);
        chunks.add(chunk);
        totalBytes += memory.capacity();
        count(chunk);
        addLive(byteLength);
        return range;
    }

    @Override
    public void free(Block block, boolean evictFirst) {
        Chunk chunk = (Chunk) block.division();
        frees++;
        uncount(chunk);
        liveBytes -= block.requestedBytes;
        chunk.free(block);
        if (chunk.isEmpty()) {
            chunk.emptiedAt = evictFirst ? 0 : frees;
        }
        count(chunk);
    }

    @Override
    public @Nullable DeviceMemory quarantine(Block block) {
        Chunk chunk = (Chunk) block.division();
        frees++;
        uncount(chunk);
        liveBytes -= block.requestedBytes;
        chunk.quarantine(block);
        count(chunk);
        if (!chunk.isEmpty()) {
            return null;
        }
        remove(chunk);
        return chunk.memory();
    }

    private void remove(Chunk chunk) {
        uncount(chunk);
        chunks.remove(chunk);
        totalBytes -= chunk.memory().capacity();
    }

    @Override
    public @Nullable DeviceMemory evict() {
        Chunk chunk = evictable();
        if (chunk == null) {
            return null;
        }
        remove(chunk);
        return chunk.memory();
    }

    /** The chunk to evict next: a drained one, or else the empty one that was emptied first, or is to go first. */
    private @Nullable Chunk evictable() {
        Chunk oldest = null;
        // Not by an iterator, which is an allocation.
        for (int i = 0; i < chunks.size(); i++) {
            Chunk chunk = chunks.get(i);
            if (chunk.isDrained()) {
                return chunk;
            }
            if (chunk.isEmpty() && (oldest == null || chunk.emptiedAt < oldest.emptiedAt)) {
                oldest = chunk;
            }
        }
        return oldest;
    }

    @Override
    public @Nullable DeviceMemory offerUnusedSince(long since) {
        DeviceMemory offered = null;
        for (int i = 0; i < chunks.size(); i++) {
            Chunk chunk = chunks.get(i);
            if (chunk.isEmpty() && !chunk.isDrained() && chunk.emptiedAt <= since) {
                offered = chunk.memory().offer(offered);
            }
        }
        return offered;
    }

    @Override
    public long evictableSince() {
        Chunk chunk = evictable();
        return chunk == null ? Long.MAX_VALUE : chunk.emptiedAt;
    }

    @Override
    public boolean hasDrained() {
        return drainedCount > 0;
    }

    @Override
    public int count() {
        return freeCount;
    }

    @Override
    public long bytes() {
        return freeBytes;
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
    public long frees() {
        return frees;
    }
}
