package dev.mlxnative.internal.pool;

import dev.mlxnative.Sizing;
import dev.mlxnative.internal.device.DeviceMemory;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * {@link Sizing#POWER_OF_TWO}: free native buffers in one list for each bucket. A list is a stack: the buffer that
 * became free last is taken first, because its memory is most likely to be in a CPU cache. Eviction goes by the order
 * of becoming free, over all buckets. Not thread-safe; the pool's lock guards it.
 */
final class SegregatedFreeLists implements FreeSpace {
    private final Map<Long, ArrayDeque<Block>> byBucket = new HashMap<>();
    /** The non-empty buckets that are no power of two: a request may take memory of the next larger one. */
    private final TreeSet<Long> pageRoundedBuckets = new TreeSet<>();

    /** The ends of the list of all free blocks, in the order of becoming free. */
    private @Nullable Block oldest;

    private @Nullable Block newest;
    private int count;
    private long bytes;
    private long frees;

    @Override
    public @Nullable Block take(SizeRounding rounding, long byteLength, boolean underPressure) {
        long capacity = capacityForNew(rounding, byteLength, underPressure);
        return take(capacity, byteLength, rounding.largest(byteLength, capacity, underPressure));
    }

    /** Takes a block of the bucket, or else the smallest page-rounded one from {@code least} to {@code largest}. */
    private @Nullable Block take(long bucket, long least, long largest) {
        ArrayDeque<Block> list = byBucket.get(bucket);
        Block block = list == null ? null : list.poll();
        if (block == null && !pageRoundedBuckets.isEmpty()) {
            Long other = pageRoundedBuckets.ceiling(least);
            list = other == null || other > largest ? null : byBucket.get(other);
            block = list == null ? null : list.poll();
        }
        if (block != null && list != null) {
            unlink(block, list);
        }
        return block;
    }

    @Override
    public List<DeviceMemory> removeObstacles(SizeRounding rounding, long byteLength) {
        return List.of();
    }

    @Override
    public long capacityForNew(SizeRounding rounding, long byteLength, boolean underPressure) {
        return underPressure ? rounding.pages(byteLength) : rounding.capacity(byteLength);
    }

    @Override
    public long leastCapacityForNew(SizeRounding rounding, long byteLength) {
        return rounding.pages(byteLength);
    }

    @Override
    public Block addNew(DeviceMemory memory, long byteLength) {
        return Block.whole(memory);
    }

    @Override
    public void free(Block block, boolean evictFirst) {
        ArrayDeque<Block> list = listFor(block.capacity());
        if (evictFirst) {
            list.addLast(block);
            linkAsOldest(block);
        } else {
            list.push(block);
            linkAsNewest(block);
        }
        count++;
        bytes += block.capacity();
    }

    private ArrayDeque<Block> listFor(long bucket) {
        ArrayDeque<Block> list = byBucket.computeIfAbsent(bucket, key -> new ArrayDeque<>());
        if (list.isEmpty() && SizeRounding.isPageRounded(bucket)) {
            pageRoundedBuckets.add(bucket);
        }
        return list;
    }

    private void linkAsNewest(Block block) {
        block.freedAt = ++frees;
        block.older = newest;
        if (newest == null) {
            oldest = block;
        } else {
            newest.newer = block;
        }
        newest = block;
    }

    private void linkAsOldest(Block block) {
        block.freedAt = 0;
        block.newer = oldest;
        if (oldest == null) {
            newest = block;
        } else {
            oldest.older = block;
        }
        oldest = block;
    }

    private void unlink(Block block, ArrayDeque<Block> list) {
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
        // There are few powers of two. Empty lists of page-rounded buckets would add up, one for each length.
        if (list.isEmpty() && SizeRounding.isPageRounded(bucket)) {
            pageRoundedBuckets.remove(bucket);
            byBucket.remove(bucket);
        }
    }

    @Override
    public @Nullable DeviceMemory evict() {
        Block block = oldest;
        if (block == null) {
            return null;
        }
        ArrayDeque<Block> list = byBucket.get(block.capacity());
        if (list == null || list.pollLast() != block) {
            throw new AssertionError("the oldest block of all is not the oldest of its bucket, " + block.capacity());
        }
        unlink(block, list);
        return block.memory();
    }

    @Override
    public long evictableSince() {
        return oldest == null ? Long.MAX_VALUE : oldest.freedAt;
    }

    @Override
    public DeviceMemory quarantine(Block block) {
        return block.memory();
    }

    @Override
    public boolean hasDrained() {
        return false;
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
    public long frees() {
        return frees;
    }
}
