package dev.mlxnative.bench.soak;

import dev.mlxnative.MlxFence;
import dev.mlxnative.bench.replay.Stamp;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Leases that ended with one fence, and whose stamps have to last until it is complete: the GPU still reads them. */
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

    /** A lease whose segment is of no use once it has ended. */
    void add() {
        count++;
    }

    void add(MemorySegment segment, Stamp stamp) {
        count++;
        contents.add(segment);
        stamps.add(stamp);
    }

    /** Completes the fence, and returns how many leases were not as they had been left. */
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
