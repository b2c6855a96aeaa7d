package dev.mlxnative.bench.replay;

import java.util.stream.IntStream;

/** A pool that rounds each size to a power of two, and frees nothing: the simplest one to compare with. */
final class PowersOfTwo {

    private static final long SMALLEST = 256;

    private PowersOfTwo() {}

    /** The bytes that the pool holds at the end of the trace. */
    static long bytes(Trace trace) {
        var live = new long[Long.SIZE];
        var peaks = new long[Long.SIZE];
        var classes = new int[trace.peakLiveCount()];
        for (int event = 0; event < trace.events(); event++) {
            int slot = trace.slot(event);
            if (trace.isAllocation(event)) {
                int log2 = Long.SIZE - Long.numberOfLeadingZeros(Math.max(trace.size(event), SMALLEST) - 1);
                classes[slot] = log2;
                peaks[log2] = Math.max(peaks[log2], ++live[log2]);
            } else {
                live[classes[slot]]--;
            }
        }
        return IntStream.range(0, Long.SIZE)
                .mapToLong(log2 -> peaks[log2] << log2)
                .sum();
    }
}
