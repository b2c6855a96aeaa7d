package dev.mlxnative.internal.pool;

import dev.mlxnative.Sizing;
import dev.mlxnative.internal.device.DeviceMemory;
import dev.mlxnative.internal.device.DeviceTraits;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * {@link Sizing#COMPACT}: blocks of the requested size, cut from native buffers, the chunks, and coalesced when they
 * become free. The {@link SurplusAllowance} bounds what the chunks hold beyond the leases.
 *
 * <p>A large request gets a chunk of its size. When that is empty, it serves others. A request must not take so much
 * more than it needs that the chunks in use could come to hold more than the allowance beyond their leases: a small
 * block that stays in a large chunk keeps it from being freed. A request that no chunk serves frees empty chunks until
 * the pool may hold one more, those first that have been empty for many bytes and a long time. Small requests cannot do
 * much harm: they share chunks of their own, by best fit.
 *
 * <p>PERFORMANCE.md compares this with other placements. Not thread-safe; the pool's lock guards it.
 */
final class BestFitChunks implements FreeSpace {
    /** A request is small if it is a smaller part of the peak of live bytes than this, or less than a page. */
    private static final int SMALL_PART = 64;
    /** The part of the peak of live bytes that a new chunk for small requests has. */
    private static final int SHARED_CHUNK_PART = 32;

    private final DeviceTraits traits;
    private final SurplusAllowance allowance;

    private final List<Chunk> chunks = new ArrayList<>();
    private final FreeRanges smallRanges = new FreeRanges();
    private final FreeRanges largeRanges = new FreeRanges();

    private long totalBytes;
    /** The sum of the chunks' {@link Chunk#surplus}. */
    private long surplus;

    private int freeCount;
    private long freeBytes;
    private int emptyCount;
    private long emptyBytes;
    private int drainedCount;
    private long frees;

    BestFitChunks(DeviceTraits traits, SurplusAllowance allowance) {
        this.traits = traits;
        this.allowance = allowance;
    }

    @Override
    public @Nullable Block take(SizeRounding rounding, long byteLength, boolean underPressure) {
        long bytes = granules(rounding, byteLength);
        Block range = isSmall(bytes) ? smallRanges.smallest(bytes, Long.MAX_VALUE) : largeFit(bytes);
        return range == null ? null : lease(range, bytes);
    }

    @Override
    public @Nullable Block takeAny(SizeRounding rounding, long byteLength) {
        long bytes = granules(rounding, byteLength);
        Block range = smallRanges.smallest(bytes, Long.MAX_VALUE);
        if (range == null) {
            range = largeRanges.smallest(bytes, Long.MAX_VALUE);
        }
        return range == null ? null : lease(range, bytes);
    }

    private long granules(SizeRounding rounding, long byteLength) {
        return Math.min(Chunk.roundUp(byteLength, traits.offsetAlignment()), rounding.maximum());
    }

    private boolean isSmall(long bytes) {
        return bytes < Math.max(traits.chunkUnit(), allowance.peakWith(bytes) / SMALL_PART);
    }

    /** An empty chunk of nearly this size or, if there is none, the smallest range that the allowance permits. */
    private @Nullable Block largeFit(long bytes) {
        Block range = largeRanges.smallestEmptyChunk(bytes);
        return range != null ? range : largeRanges.smallest(bytes, allowance.bytesWith(bytes) - surplus);
    }

    private Block lease(Block range, long bytes) {
        Chunk chunk = Chunk.of(range);
        uncount(chunk);
        try {
            chunk.lease(range, bytes);
        } finally {
            count(chunk);
        }
        allowance.leased(bytes);
        return range;
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
        long capacity = chunk.memory().capacity();
        if (chunk.isEmpty()) {
            emptyCount += sign;
            emptyBytes += sign * capacity;
            drainedCount += chunk.isDrained() ? sign : 0;
        }
        surplus += sign * chunk.surplus();
    }

    @Override
    public boolean isObstructed(SizeRounding rounding, long byteLength, boolean underPressure, long requests) {
        long bytes = granules(rounding, byteLength);
        return totalBytes + capacityForNew(rounding, byteLength, underPressure) > allowance.footprintWith(bytes);
    }

    @Override
    public long capacityForNew(SizeRounding rounding, long byteLength, boolean underPressure) {
        long bytes = granules(rounding, byteLength);
        long wanted = isSmall(bytes) ? Math.max(bytes, allowance.peakWith(bytes) / SHARED_CHUNK_PART) : bytes;
        return rounding.wholePages(wanted, traits.chunkUnit());
    }

    @Override
    public long leastCapacityForNew(SizeRounding rounding, long byteLength) {
        return rounding.wholePages(byteLength, rounding.pageSize());
    }

    @Override
    public Block addNew(SizeRounding rounding, DeviceMemory memory, long byteLength) {
        long bytes = Math.min(granules(rounding, byteLength), memory.capacity());
        if (bytes < byteLength) {
            throw new AssertionError(memory.capacity() + " bytes are too few for " + byteLength);
        }
        boolean isShared = isSmall(bytes);
        FreeRanges ranges = isShared ? smallRanges : largeRanges;
        Chunk chunk = new Chunk(memory, traits.offsetAlignment(), ranges, isShared);
        chunks.add(chunk);
        // Nothing can fail from here on.
        Block range = chunk.list();
        totalBytes += memory.capacity();
        count(chunk);
        return lease(range, bytes);
    }

    @Override
    public void free(Block block, boolean evictFirst) {
        Chunk chunk = Chunk.of(block);
        frees++;
        uncount(chunk);
        allowance.ended(block.capacity());
        chunk.free(block);
        if (chunk.isEmpty()) {
            chunk.emptiedAt = evictFirst ? 0 : frees;
        }
        count(chunk);
    }

    @Override
    public @Nullable DeviceMemory quarantine(Block block) {
        Chunk chunk = Chunk.of(block);
        frees++;
        uncount(chunk);
        chunk.quarantine(block);
        count(chunk);
        return chunk.isEmpty() ? remove(chunk) : null;
    }

    private DeviceMemory remove(Chunk chunk) {
        uncount(chunk);
        chunk.unlist();
        chunks.remove(chunk);
        totalBytes -= chunk.memory().capacity();
        allowance.ended(chunk.quarantinedBytes());
        return chunk.memory();
    }

    @Override
    public @Nullable DeviceMemory evict() {
        Chunk chunk = longestEmpty();
        return chunk == null ? null : remove(chunk);
    }

    /** A drained chunk, or else the empty one that was emptied first, or is to go first; null if none is empty. */
    private @Nullable Chunk longestEmpty() {
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
    public @Nullable DeviceMemory evictObstacle(
            SizeRounding rounding, long byteLength, boolean underPressure, long requests) {
        return isObstructed(rounding, byteLength, underPressure, requests) ? evictMostIdle() : null;
    }

    private @Nullable DeviceMemory evictMostIdle() {
        Chunk worst = null;
        for (int i = 0; i < chunks.size(); i++) {
            Chunk chunk = chunks.get(i);
            if (chunk.isEmpty() && (worst == null || idleBytes(chunk) > idleBytes(worst))) {
                worst = chunk;
            }
        }
        return worst == null ? null : remove(worst);
    }

    /** The bytes of an empty chunk times how long it has been empty. */
    private double idleBytes(Chunk chunk) {
        return (double) chunk.memory().capacity() * (frees - chunk.emptiedAt + 1);
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
        Chunk chunk = longestEmpty();
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
