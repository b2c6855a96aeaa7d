package dev.mlxnative.bench.soak;

import dev.mlxnative.MlxFence;

/**
 * Leases that ended with one fence.
 *
 * <p>Their stamps must stay intact until the fence is complete, because the GPU still reads the memory.
 *
 * @param signal completes the fence, also if it is run again after an error
 */
record ParkedLeases(MlxFence fence, Runnable signal, EndedLeases leases) {

    /** Completes the fence, and returns the number of leases whose stamps were altered. */
    int complete() {
        int overlaps = leases.overlaps();
        signal.run();
        return overlaps;
    }
}
