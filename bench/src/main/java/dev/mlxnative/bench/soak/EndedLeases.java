package dev.mlxnative.bench.soak;

import dev.mlxnative.MlxBuffer;
import dev.mlxnative.bench.replay.Stamp;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Leases that have ended, or are about to, and whose stamps must stay intact for a while.
 *
 * <p>Only the constructor allocates: the other methods work when the heap is full.
 */
final class EndedLeases {

    private final @Nullable MemorySegment[] contents;
    private final @Nullable Stamp[] stamps;
    private int count;

    EndedLeases(int capacity) {
        contents = new MemorySegment[capacity];
        stamps = new Stamp[capacity];
    }

    int count() {
        return count;
    }

    boolean isFull() {
        return count == stamps.length;
    }

    /**
     * Adds a lease that has not ended.
     *
     * @param stamp null for no check: the lease has no stamp, or its segment is not accessible after its end
     */
    void add(MlxBuffer buffer, @Nullable Stamp stamp) {
        contents[count] = stamp == null ? null : buffer.segment();
        stamps[count] = stamp;
        count++;
    }

    void removeLast() {
        count--;
    }

    void clear() {
        count = 0;
    }

    /** The number of leases whose stamps were altered. */
    int overlaps() {
        int overlaps = 0;
        for (int i = 0; i < count; i++) {
            Stamp stamp = stamps[i];
            MemorySegment segment = contents[i];
            if (stamp != null && segment != null && !stamp.hasIntactEnds(segment)) {
                overlaps++;
            }
        }
        return overlaps;
    }
}
