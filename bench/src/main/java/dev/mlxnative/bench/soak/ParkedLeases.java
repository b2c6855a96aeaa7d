package dev.mlxnative.bench.soak;

import dev.mlxnative.MlxFence;
import dev.mlxnative.bench.replay.Stamp;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Leases that ended with one fence.
 *
 * <p>Their stamps must stay intact until the fence is complete, because the GPU still reads the memory.
 */
final class ParkedLeases {

    private final MlxFence fence;
    private final Runnable complete;
    private final List<MemorySegment> contents = new ArrayList<>();
    private final List<Stamp> stamps = new ArrayList<>();
    private int count;

    /** @param complete completes the fence */
    ParkedLeases(MlxFence fence, Runnable complete) {
        this.fence = fence;
        this.complete = complete;
    }

    MlxFence fence() {
        return fence;
    }

    int count() {
        return count;
    }

    /** Adds a lease without a check: the segment of a checked pool's lease is not accessible after its end. */
    void add() {
        count++;
    }

    void add(MemorySegment segment, Stamp stamp) {
        count++;
        contents.add(segment);
        stamps.add(stamp);
    }

    /** Completes the fence, and returns the number of leases whose stamps were altered. */
    int complete() {
        int overlaps = 0;
        for (int i = 0; i < stamps.size(); i++) {
            if (!stamps.get(i).hasIntactEnds(contents.get(i))) {
                overlaps++;
            }
        }
        complete.run();
        return overlaps;
    }
}
