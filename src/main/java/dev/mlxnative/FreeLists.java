package dev.mlxnative;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Native buffers that wait to be used again, by bucket: all in one list have the same capacity. The one that was filed
 * last is taken first, since its memory is likeliest to be in a cache. Not thread-safe.
 */
final class FreeLists {
    private final Map<Long, ArrayDeque<NativeBuffer>> byBucket = new HashMap<>();
    private int count;
    private long bytes;
    private long filings;

    /** Files a buffer under the capacity it really has. */
    void add(NativeBuffer memory) {
        memory.filedAt = ++filings;
        byBucket.computeIfAbsent(memory.capacity(), bucket -> new ArrayDeque<>())
                .push(memory);
        count++;
        bytes += memory.capacity();
    }

    /** Takes a buffer of exactly this bucket; null where there is none. */
    @Nullable
    NativeBuffer take(long bucket) {
        ArrayDeque<NativeBuffer> list = byBucket.get(bucket);
        NativeBuffer memory = list == null ? null : list.poll();
        if (memory != null) {
            removed(memory);
        }
        return memory;
    }

    /** Takes out the buffers that were filed longest ago, until at most {@code maxBytes} are left. */
    List<NativeBuffer> evictTo(long maxBytes) {
        List<NativeBuffer> evicted = new ArrayList<>();
        while (bytes > maxBytes) {
            evicted.add(evictOldest());
        }
        return evicted;
    }

    private NativeBuffer evictOldest() {
        ArrayDeque<NativeBuffer> oldest = null;
        for (ArrayDeque<NativeBuffer> list : byBucket.values()) {
            if (!list.isEmpty() && (oldest == null || list.getLast().filedAt < oldest.getLast().filedAt)) {
                oldest = list;
            }
        }
        if (oldest == null) {
            throw new AssertionError(bytes + " bytes are counted as free, but no list has a buffer");
        }
        NativeBuffer memory = oldest.removeLast();
        removed(memory);
        return memory;
    }

    private void removed(NativeBuffer memory) {
        count--;
        bytes -= memory.capacity();
    }

    int count() {
        return count;
    }

    long bytes() {
        return bytes;
    }
}
