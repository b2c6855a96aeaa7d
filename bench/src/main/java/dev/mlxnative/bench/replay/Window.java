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

    /**
     * The number of windows in a sample. The phases of a trace differ in their requests, and the first is often the
     * shortest and has the largest ones.
     */
    private static final int SAMPLE_WINDOWS = 32;

    private static final int SAMPLE_WINDOW_REQUESTS = 64;

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
     * Returns windows with the same number of requests at equal distances: the first begins with the trace, and the
     * last ends with it. If the trace has no more requests than these, the only window is the whole trace.
     */
    static List<Window> sample(Trace trace) {
        if (trace.requests() <= SAMPLE_WINDOWS * SAMPLE_WINDOW_REQUESTS) {
            return List.of(whole(trace));
        }
        int lastFirst = trace.requests() - SAMPLE_WINDOW_REQUESTS;
        int[] eventOfRequest = IntStream.concat(
                        IntStream.range(0, trace.events()).filter(trace::isAllocation), IntStream.of(trace.events()))
                .toArray();
        var windows = new ArrayList<Window>();
        for (int i = 0; i < SAMPLE_WINDOWS; i++) {
            int first = (int) ((long) i * lastFirst / (SAMPLE_WINDOWS - 1));
            windows.add(of(trace, eventOfRequest[first], eventOfRequest[first + SAMPLE_WINDOW_REQUESTS]));
        }
        return windows;
    }

    /** The number of allocations in the window. */
    long requests() {
        return IntStream.range(from, to).filter(trace::isAllocation).count();
    }
}
