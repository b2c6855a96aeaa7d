package dev.mlxnative.bench.replay;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Consecutive events of a trace, with the buffers that are live before the first of them.
 *
 * @param from the first event
 * @param to the event after the last one
 * @param liveBefore the bytes of the buffer that is live in each slot before {@code from}; 0 in an empty slot
 */
record Window(Trace trace, int from, int to, long[] liveBefore) {

    /** The number of windows in a sample. They are spread over the trace, as its phases differ in their requests. */
    static final int SAMPLE_WINDOWS = 16;

    private static Window of(Trace trace, int from, int to) {
        var live = new long[trace.peakLiveCount()];
        for (int event = 0; event < from; event++) {
            live[trace.slot(event)] = trace.size(event);
        }
        return new Window(trace, from, to, live);
    }

    static Window whole(Trace trace) {
        return of(trace, 0, trace.events());
    }

    /**
     * Returns a sample of the trace: a window in the middle of each of {@link #SAMPLE_WINDOWS} equal parts, all with
     * the same number of requests. If the trace is no longer than the sample, it is one window, the whole trace.
     *
     * @param windowRequests the requests of each window, at least 1
     */
    static List<Window> sample(Trace trace, int windowRequests) {
        if (trace.requests() <= (long) SAMPLE_WINDOWS * windowRequests) {
            return List.of(whole(trace));
        }
        int[] allocations =
                IntStream.range(0, trace.events()).filter(trace::isAllocation).toArray();
        var windows = new ArrayList<Window>();
        for (int part = 0; part < SAMPLE_WINDOWS; part++) {
            long start = (long) part * allocations.length / SAMPLE_WINDOWS;
            long end = (part + 1L) * allocations.length / SAMPLE_WINDOWS;
            int first = (int) ((start + end - windowRequests) / 2);
            windows.add(of(trace, allocations[first], endOf(trace, allocations, first + windowRequests)));
        }
        return windows;
    }

    /** The event that allocates for the request after the last one of a window, or the end of the trace. */
    private static int endOf(Trace trace, int[] allocations, int nextRequest) {
        return nextRequest < allocations.length ? allocations[nextRequest] : trace.events();
    }

    /** The number of allocations in the window. */
    long requests() {
        return IntStream.range(from, to).filter(trace::isAllocation).count();
    }
}
