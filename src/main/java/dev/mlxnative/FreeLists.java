package dev.mlxnative;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Native buffers that wait to be used again, by bucket: all in one list have the same capacity. The one that was filed
 * last is taken first, since its memory is likeliest to be in a cache. Not thread-safe.
 */
final class FreeLists {
    private final Map<Long, ArrayDeque<NativeBuffer>> byBucket = new HashMap<>();
    /** The buckets with memory that are no power of two, which requests of several lengths can share. */
    private final TreeSet<Long> odd = new TreeSet<>();

    /** The ends of a list of them all, in the order of filing. */
    private @Nullable NativeBuffer oldest;

    private @Nullable NativeBuffer newest;
    private int count;
    private long bytes;
    private long filings;

    /** Files a buffer under the capacity it really has. */
    void add(NativeBuffer memory) {
        listOf(memory).push(memory);
        memory.filedAt = ++filings;
        memory.older = newest;
        if (newest == null) {
            oldest = memory;
        } else {
            newest.newer = memory;
        }
        newest = memory;
        count(memory);
    }

    /** Files a buffer as if it had been there longest of all. */
    void addAsOldest(NativeBuffer memory) {
        listOf(memory).addLast(memory);
        memory.filedAt = 0;
        memory.newer = oldest;
        if (oldest == null) {
            newest = memory;
        } else {
            oldest.older = memory;
        }
        oldest = memory;
        count(memory);
    }

    private void count(NativeBuffer memory) {
        count++;
        bytes += memory.capacity();
    }

    /** The list that is about to get the buffer. */
    private ArrayDeque<NativeBuffer> listOf(NativeBuffer memory) {
        long bucket = memory.capacity();
        ArrayDeque<NativeBuffer> list = byBucket.computeIfAbsent(bucket, any -> new ArrayDeque<>());
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
    @Nullable
    NativeBuffer take(long bucket, long byteLength, long largest) {
        ArrayDeque<NativeBuffer> list = byBucket.get(bucket);
        NativeBuffer memory = list == null ? null : list.poll();
        if (memory == null && !odd.isEmpty()) {
            Long other = odd.ceiling(byteLength);
            list = other == null || other > largest ? null : byBucket.get(other);
            memory = list == null ? null : list.poll();
        }
        if (memory != null && list != null) {
            removed(memory, list);
        }
        return memory;
    }

    /** Takes out the buffer that was filed longest ago. There must be one. */
    NativeBuffer evictOldest() {
        NativeBuffer memory = requireOldest();
        ArrayDeque<NativeBuffer> list = byBucket.get(memory.capacity());
        if (list == null || list.pollLast() != memory) {
            throw new AssertionError("the oldest of all is not the oldest of its bucket, " + memory.capacity());
        }
        removed(memory, list);
        return memory;
    }

    /** When the oldest buffer was filed, in the count of {@link #filings}. There must be one. */
    long oldestFiling() {
        return requireOldest().filedAt;
    }

    private NativeBuffer requireOldest() {
        if (oldest == null) {
            throw new AssertionError(count + " buffers are counted as free, but there is none");
        }
        return oldest;
    }

    private void removed(NativeBuffer memory, ArrayDeque<NativeBuffer> list) {
        if (memory.older == null) {
            oldest = memory.newer;
        } else {
            memory.older.newer = memory.newer;
        }
        if (memory.newer == null) {
            newest = memory.older;
        } else {
            memory.newer.older = memory.older;
        }
        memory.older = null;
        memory.newer = null;
        long bucket = memory.capacity();
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

    int count() {
        return count;
    }

    long bytes() {
        return bytes;
    }

    /** How many buffers have been filed so far. */
    long filings() {
        return filings;
    }
}
