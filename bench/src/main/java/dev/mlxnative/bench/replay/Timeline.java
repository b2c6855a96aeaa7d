package dev.mlxnative.bench.replay;

import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.PoolStats;

/**
 * The memory of a pool over a trace, in intervals with the same number of events.
 *
 * <p>An interval has the maximum of each figure, so that no peak is lost.
 *
 * @param policy the label of the pool's policy
 * @param request the number of requests by the end of each interval
 * @param liveBytes the bytes that the trace had live
 * @param activeBytes the bytes of the buffers that the pool had leased
 * @param cachedBytes the bytes of the buffers that the pool had cached
 * @param footprintBytes the bytes that the pool held
 * @param nativeAllocations the native allocations in each interval
 */
record Timeline(
        String policy,
        long[] request,
        long[] liveBytes,
        long[] activeBytes,
        long[] cachedBytes,
        long[] footprintBytes,
        long[] nativeAllocations) {

    /** The maximum number of intervals, more than a large screen can show. */
    private static final int MOST_INTERVALS = 800;

    /** Replays the trace, and ends the leases that it never frees by a reset of the pool. */
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
