package dev.mlxnative;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * {@link Sizing#POWER_OF_TWO}: native buffers that wait to be used again, by bucket: all in one list have the same
 * capacity. The one that was filed last is taken first, since its memory is likeliest to be in a cache. Not
 * thread-safe.
 */
final class FreeLists implements FreeMemory {
    private final Map<Long, ArrayDeque<Block>> byBucket = new HashMap<>();
    /** The buckets with memory that are no power of two, which requests of several lengths can share. */
    private final TreeSet<Long> odd = new TreeSet<>();

    /** The ends of a list of them all, in the order of filing. */
    private @Nullable Block oldest;

    private @Nullable Block newest;
    private int count;
    private long bytes;
    private long filings;

    @Override
    public long capacityKept(Buckets sizes, long byteLength, boolean tight) {
        long capacity = sizes.capacity(byteLength);
        boolean isTooLarge = tight && capacity > sizes.largest(byteLength, sizes.pages(byteLength), true);
        return isTooLarge || isOdd(capacity) ? NOTHING : capacity;
    }

    @Override
    public @Nullable Block take(Buckets sizes, long byteLength, boolean tight) {
        long capacity = capacityForNew(sizes, byteLength, tight);
        return take(capacity, byteLength, sizes.largest(byteLength, capacity, tight));
    }

    @Override
    public List<NativeBuffer> makeWayFor(Buckets sizes, long byteLength) {
        return List.of();
    }

    @Override
    public long capacityForNew(Buckets sizes, long byteLength, boolean tight) {
        return tight ? sizes.pages(byteLength) : sizes.capacity(byteLength);
    }

    @Override
    public long leastCapacityForNew(Buckets sizes, long byteLength) {
        return sizes.pages(byteLength);
    }

    @Override
    public Block add(NativeBuffer fresh, long byteLength) {
        return Block.whole(fresh);
    }

    @Override
    public void add(Block block, boolean first) {
        if (first) {
            addAsOldest(block);
        } else {
            add(block);
        }
    }

    /** Files a buffer under the capacity it really has. */
    private void add(Block block) {
        listOf(block).push(block);
        block.filedAt = ++filings;
        block.older = newest;
        if (newest == null) {
            oldest = block;
        } else {
            newest.newer = block;
        }
        newest = block;
        count(block);
    }

    /** Files a buffer as if it had been there longest of all. */
    private void addAsOldest(Block block) {
        listOf(block).addLast(block);
        block.filedAt = 0;
        block.newer = oldest;
        if (oldest == null) {
            newest = block;
        } else {
            oldest.older = block;
        }
        oldest = block;
        count(block);
    }

    private void count(Block block) {
        count++;
        bytes += block.capacity();
    }

    /** The list that is about to get the buffer. */
    private ArrayDeque<Block> listOf(Block block) {
        long bucket = block.capacity();
        ArrayDeque<Block> list = byBucket.computeIfAbsent(bucket, any -> new ArrayDeque<>());
        if (list.isEmpty() && isOdd(bucket)) {
            odd.add(bucket);
        }
        return list;
    }

    /**
     * Takes a buffer of this bucket or else the smallest odd one that serves; null where there is none.
     *
     * @param byteLength the least that it must have
     * @param largest the most that it may have
     */
    private @Nullable Block take(long bucket, long byteLength, long largest) {
        ArrayDeque<Block> list = byBucket.get(bucket);
        Block block = list == null ? null : list.poll();
        if (block == null && !odd.isEmpty()) {
            Long other = odd.ceiling(byteLength);
            list = other == null || other > largest ? null : byBucket.get(other);
            block = list == null ? null : list.poll();
        }
        if (block != null && list != null) {
            removed(block, list);
        }
        return block;
    }

    @Override
    public @Nullable NativeBuffer evict() {
        Block block = oldest;
        if (block == null) {
            return null;
        }
        ArrayDeque<Block> list = byBucket.get(block.capacity());
        if (list == null || list.pollLast() != block) {
            throw new AssertionError("the oldest of all is not the oldest of its bucket, " + block.capacity());
        }
        removed(block, list);
        return block.memory();
    }

    @Override
    public long evictableSince() {
        return oldest == null ? Long.MAX_VALUE : oldest.filedAt;
    }

    @Override
    public NativeBuffer discard(Block block) {
        return block.memory();
    }

    @Override
    public boolean hasSpoilt() {
        return false;
    }

    private void removed(Block block, ArrayDeque<Block> list) {
        if (block.older == null) {
            oldest = block.newer;
        } else {
            block.older.newer = block.newer;
        }
        if (block.newer == null) {
            newest = block.older;
        } else {
            block.newer.older = block.older;
        }
        block.older = null;
        block.newer = null;
        long bucket = block.capacity();
        count--;
        bytes -= bucket;
        // There are few powers of two; the rest would pile up, one empty list for every length ever asked for.
        if (list.isEmpty() && isOdd(bucket)) {
            odd.remove(bucket);
            byBucket.remove(bucket);
        }
    }

    private static boolean isOdd(long bucket) {
        return Long.bitCount(bucket) != 1;
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
        return count;
    }

    @Override
    public long evictableBytes() {
        return bytes;
    }

    @Override
    public long filings() {
        return filings;
    }

    @Override
    public long alignment(Buckets sizes) {
        return sizes.pageSize();
    }
}
