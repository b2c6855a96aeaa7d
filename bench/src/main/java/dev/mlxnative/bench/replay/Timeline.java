package dev.mlxnative.bench.replay;

import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.PoolStats;

/**
 * What a pool holds in the course of a trace, in intervals of as many events each. An interval shows the most of
 * everything that was in it, so that no peak is lost.
 *
 * @param policy the pool's
 * @param request the requests made by the end of an interval
 * @param liveBytes what the trace had live
 * @param activeBytes what the pool had leased
 * @param cachedBytes what it had free
 * @param footprintBytes what it held
 * @param nativeAllocations how often it asked the device in an interval
 */
record Timeline(
        String policy,
        long[] request,
        long[] liveBytes,
        long[] activeBytes,
        long[] cachedBytes,
        long[] footprintBytes,
        long[] nativeAllocations) {

    /** More than a large screen can show. */
    private static final int MOST_INTERVALS = 800;

    /** Replays the trace, and leaves what it never frees to the pool's end. */
    static Timeline of(Trace trace, Policy policy, MlxBufferPool pool) {
        int events = trace.events();
        int intervals = Math.min(events, MOST_INTERVALS);
        var timeline = new Timeline(
                policy.label(),
                new long[intervals],
                new long[intervals],
                new long[intervals],
                new long[intervals],
                new long[intervals],
                new long[intervals]);
        var live = new MlxBuffer[trace.peakLiveCount()];
        var allocator = new PoolAllocator(pool);
        for (int event = 0; event < events; event++) {
            int slot = trace.slot(event);
            if (trace.isAllocation(event)) {
                live[slot] = allocator.allocate(trace.size(event));
            } else {
                allocator.release(live[slot]);
            }
            timeline.add((int) ((long) event * intervals / events), pool.stats());
        }
        pool.reset();
        for (int i = intervals - 1; i > 0; i--) {
            timeline.nativeAllocations[i] -= timeline.nativeAllocations[i - 1];
        }
        return timeline;
    }

    private void add(int interval, PoolStats stats) {
        raise(request, interval, stats.requests());
        raise(liveBytes, interval, stats.requestedBytes());
        raise(activeBytes, interval, stats.activeBytes());
        raise(cachedBytes, interval, stats.cachedBytes());
        raise(footprintBytes, interval, stats.footprintBytes());
        raise(nativeAllocations, interval, stats.nativeAllocations());
    }

    private static void raise(long[] series, int interval, long value) {
        series[interval] = Math.max(series[interval], value);
    }
}
