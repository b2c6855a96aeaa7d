package dev.mlxnative.internal.pool;

import dev.mlxnative.Sizing;
import dev.mlxnative.internal.device.DeviceMemory;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * {@link Sizing#POWER_OF_TWO}: a free list for each bucket. A bucket of a page or more has native buffers of its size.
 * Smaller ones divide native buffers of one page, since the device takes whole pages in any case. Eviction goes by the
 * order in which native buffers became unused, over all buckets. Not thread-safe; the pool's lock guards it.
 *
 * <p>Buffers of a page or more never hold more than they would if each request were rounded to its power of two and
 * nothing were freed: see {@link PlainBound}.
 */
final class SegregatedFreeLists implements FreeSpace {
    private final long pageSize;
    private final Map<Long, Bucket> buckets = new HashMap<>();
    /** The buckets that are no power of two: a request may take memory of the next larger one. */
    private final TreeMap<Long, Bucket> pageRoundedBuckets = new TreeMap<>();

    /** All unused slabs; drained ones come first. */
    private final UnusedSlabs unused = new UnusedSlabs();

    /** Bounds the memory of buckets of a page or more. */
    private final PlainBound bound = new PlainBound();

    private int count;
    private long bytes;
    private int drainedCount;
    private long frees;

    /** @param pageSize bytes of a page of the device's memory, a power of two */
    SegregatedFreeLists(long pageSize) {
        this.pageSize = pageSize;
        buckets.put(pageSize, new Bucket(pageSize));
    }

    @Override
    public @Nullable Block take(SizeRounding rounding, long byteLength, boolean underPressure) {
        long capacity = bucketFor(rounding, byteLength, underPressure);
        Slab slab = firstOf(buckets.get(capacity));
        if (slab == null && capacity >= pageSize) {
            slab = firstPageRounded(byteLength, rounding.largest(byteLength, capacity, underPressure));
        } else if (slab == null && underPressure) {
            slab = firstOfLargerSmallBucket(capacity);
        }
        return slab == null ? null : take(slab);
    }

    private static long bucketFor(SizeRounding rounding, long byteLength, boolean underPressure) {
        return underPressure ? rounding.pages(byteLength) : rounding.capacity(byteLength);
    }

    private static @Nullable Slab firstOf(@Nullable Bucket bucket) {
        return bucket == null ? null : bucket.first();
    }

    private @Nullable Slab firstPageRounded(long least, long largest) {
        Slab slab = null;
        Long key = pageRoundedBuckets.ceilingKey(least);
        while (slab == null && key != null && key <= largest) {
            slab = firstOf(pageRoundedBuckets.get(key));
            key = pageRoundedBuckets.higherKey(key);
        }
        return slab;
    }

    private @Nullable Slab firstOfLargerSmallBucket(long capacity) {
        Slab slab = null;
        for (long larger = 2 * capacity; slab == null && larger < pageSize; larger *= 2) {
            slab = firstOf(buckets.get(larger));
        }
        return slab;
    }

    private Block take(Slab slab) {
        Bucket bucket = slab.bucket();
        boolean wasUnused = slab.isUnused();
        if (wasUnused) {
            bucket.unlink(slab);
            unused.unlink(slab);
        }
        Block block = slab.take();
        if (!wasUnused && !slab.hasFreeBlock()) {
            bucket.unlink(slab);
        } else if (wasUnused && slab.hasFreeBlock()) {
            bucket.link(slab);
        }
        count--;
        bytes -= bucket.capacity();
        beginLease(bucket);
        return block;
    }

    private void beginLease(Bucket bucket) {
        if (!isShared(bucket)) {
            bound.begin(bucket.capacity());
        }
    }

    private void endLease(Bucket bucket) {
        if (!isShared(bucket)) {
            bound.end(bucket.capacity());
        }
    }

    /** Whether the leases of a bucket share pages. */
    private boolean isShared(Bucket bucket) {
        return bucket.capacity() < pageSize;
    }

    @Override
    public @Nullable Block takeAny(SizeRounding rounding, long byteLength) {
        return take(rounding, byteLength, true);
    }

    @Override
    public boolean isObstructed(SizeRounding rounding, long byteLength, boolean underPressure, long requests) {
        long capacity = bucketFor(rounding, byteLength, underPressure);
        return capacity >= pageSize && bound.isExceededWith(capacity, requests);
    }

    @Override
    public @Nullable DeviceMemory evictObstacle(
            SizeRounding rounding, long byteLength, boolean underPressure, long requests) {
        boolean isObstructed = isObstructed(rounding, byteLength, underPressure, requests);
        Slab slab = isObstructed ? unused.largest(pageSize) : null;
        if (slab == null) {
            return null;
        }
        bound.evicting(bucketFor(rounding, byteLength, underPressure));
        return evict(slab);
    }

    @Override
    public long capacityForNew(SizeRounding rounding, long byteLength, boolean underPressure) {
        return Math.max(bucketFor(rounding, byteLength, underPressure), pageSize);
    }

    @Override
    public long leastCapacityForNew(SizeRounding rounding, long byteLength) {
        return Math.max(rounding.pages(byteLength), pageSize);
    }

    @Override
    public Block addNew(SizeRounding rounding, DeviceMemory memory, long byteLength) {
        boolean isShared = memory.capacity() == pageSize;
        Bucket bucket = bucketOf(isShared ? rounding.pages(byteLength) : memory.capacity());
        Slab slab = new Slab(memory, bucket);
        // Nothing can fail from here on.
        bucket.slabAdded();
        if (!isShared(bucket)) {
            bound.added(bucket.capacity());
        }
        beginLease(bucket);
        Block block = slab.take();
        if (slab.hasFreeBlock()) {
            bucket.link(slab);
            count += slab.unleasedCount();
            bytes += slab.unleasedCount() * bucket.capacity();
        }
        return block;
    }

    private Bucket bucketOf(long capacity) {
        Bucket bucket = buckets.get(capacity);
        if (bucket == null) {
            removeAbandonedBuckets();
            bucket = new Bucket(capacity);
            if (SizeRounding.isPageRounded(capacity)) {
                pageRoundedBuckets.put(capacity, bucket);
            }
            buckets.put(capacity, bucket);
        }
        return bucket;
    }

    /** There are few powers of two. Page-rounded buckets without memory would add up, one for each length. */
    private void removeAbandonedBuckets() {
        for (Iterator<Bucket> all = pageRoundedBuckets.values().iterator(); all.hasNext(); ) {
            Bucket bucket = all.next();
            if (bucket.isAbandoned()) {
                buckets.remove(bucket.capacity());
                all.remove();
            }
        }
    }

    @Override
    public void free(Block block, boolean evictFirst) {
        Slab slab = (Slab) block.division();
        Bucket bucket = slab.bucket();
        endLease(bucket);
        frees++;
        count++;
        bytes += bucket.capacity();
        boolean wasLinked = slab.hasFreeBlock();
        boolean becomesUnused = slab.isLastLease();
        if (wasLinked && becomesUnused) {
            bucket.unlink(slab);
        }
        slab.free(block);
        if (becomesUnused) {
            if (slab.isDrained()) {
                drainedCount++;
                unused.link(slab, true, frees);
            } else {
                bucket.link(slab);
                unused.link(slab, evictFirst, frees);
            }
        } else if (!wasLinked) {
            bucket.link(slab);
        }
    }

    @Override
    public @Nullable DeviceMemory evict() {
        Slab oldest = unused.oldest();
        return oldest == null ? null : evict(oldest);
    }

    private DeviceMemory evict(Slab slab) {
        unused.unlink(slab);
        if (slab.isDrained()) {
            drainedCount--;
        } else {
            slab.bucket().unlink(slab);
        }
        forget(slab);
        return slab.memory();
    }

    private void forget(Slab slab) {
        Bucket bucket = slab.bucket();
        count -= slab.unleasedCount();
        bytes -= slab.unleasedCount() * bucket.capacity();
        bucket.slabRemoved();
        if (!isShared(bucket)) {
            bound.removed(bucket.capacity());
        }
    }

    @Override
    public @Nullable DeviceMemory offerUnusedSince(long since) {
        DeviceMemory offered = null;
        for (Slab slab = unused.oldest(); slab != null && slab.freedAt <= since; slab = slab.newer) {
            if (!slab.isDrained()) {
                offered = slab.memory().offer(offered);
            }
        }
        return offered;
    }

    @Override
    public long evictableSince() {
        Slab oldest = unused.oldest();
        return oldest == null ? Long.MAX_VALUE : oldest.freedAt;
    }

    @Override
    public @Nullable DeviceMemory quarantine(Block block) {
        Slab slab = (Slab) block.division();
        endLease(slab.bucket());
        count++;
        bytes += slab.bucket().capacity();
        boolean wasLinked = slab.hasFreeBlock();
        boolean becomesUnused = slab.isLastLease();
        if (wasLinked && becomesUnused) {
            slab.bucket().unlink(slab);
        }
        slab.quarantine();
        if (!becomesUnused) {
            return null;
        }
        forget(slab);
        return slab.memory();
    }

    @Override
    public boolean hasDrained() {
        return drainedCount > 0;
    }

    @Override
    public int count() {
        return count;
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public int evictableCount() {
        return unused.count();
    }

    @Override
    public long evictableBytes() {
        return unused.bytes();
    }

    @Override
    public long frees() {
        return frees;
    }
}
