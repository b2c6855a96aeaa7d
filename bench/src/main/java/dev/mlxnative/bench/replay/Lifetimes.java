package dev.mlxnative.bench.replay;

import java.util.Arrays;

/**
 * When each buffer of a trace is live: from its allocation up to its free, or to the end of the trace.
 *
 * @param sizes the bytes of each buffer, in the order of the allocations
 * @param starts the event that allocates each buffer
 * @param ends the event that frees each buffer, or the number of events
 * @param buffers the buffer that an event allocates, or -1
 */
record Lifetimes(long[] sizes, int[] starts, int[] ends, int[] buffers) {

    static Lifetimes of(Trace trace) {
        int requests = trace.requests();
        var lifetimes =
                new Lifetimes(new long[requests], new int[requests], new int[requests], new int[trace.events()]);
        Arrays.fill(lifetimes.ends, trace.events());
        Arrays.fill(lifetimes.buffers, -1);
        var bufferOfSlot = new int[trace.peakLiveCount()];
        int buffer = 0;
        for (int event = 0; event < trace.events(); event++) {
            int slot = trace.slot(event);
            if (trace.isAllocation(event)) {
                lifetimes.sizes[buffer] = trace.size(event);
                lifetimes.starts[buffer] = event;
                lifetimes.buffers[event] = buffer;
                bufferOfSlot[slot] = buffer++;
            } else {
                lifetimes.ends[bufferOfSlot[slot]] = event;
            }
        }
        return lifetimes;
    }

    /** The number of events while the buffer is live. */
    int length(int buffer) {
        return ends[buffer] - starts[buffer];
    }
}
