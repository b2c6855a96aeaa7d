package dev.mlxnative.bench.soak;

import java.util.ArrayList;
import java.util.List;

/**
 * What a soak found. The components, by name and in order, are the fields of the JSON that is written.
 *
 * @param device the backend and the device's name
 * @param seed where its random choices began
 * @param threads how many shared a pool
 * @param faults whether the device failed now and then
 * @param checked whether the pools were checked ones
 * @param leakDetection the pools' leak detection
 * @param seconds how long the threads worked
 * @param operations leases that began, and leases that ended
 * @param operationsPerSecond these over those
 * @param requests what was asked of the pools
 * @param hits how many of them were served from what a pool had
 * @param nativeAllocations how many of them were served by the device
 * @param refusedByMemoryLimit how many were refused, and handled
 * @param refusedByBufferLimit the same for the limit on the number of buffers
 * @param refusedByDevice the same for the device
 * @param deviceFaults how often the device was made to fail for a moment
 * @param fencedReleases leases that ended with a fence
 * @param scopes how many leases ended with, a few dozen each
 * @param resets how often a pool was reset
 * @param overlaps stamps that somebody else had altered
 * @param samples how often the pools' figures were read
 * @param violations figures that contradicted each other, the limits or what the threads had counted
 * @param memoryLimitBytes the shared pool's
 * @param peakFootprintBytes the most that it held
 * @param bufferLimit the shared pool's
 * @param peakBuffers the most that it was seen to have
 * @param deviceLimitBytes the limits of both pools, with the device's rounding
 * @param peakDeviceBytes the most that the device was seen to hold
 * @param lostBudgetBytes what the memory limits allowed at the end, and a pool refused all the same
 * @param lostBudgetBuffers the same for the limits on the number of buffers
 * @param lostBytes what the device held when the pools were closed, less what it had held before
 * @param liveObjects native objects that were left when everything was closed
 * @param heapEarlyBytes live objects on the heap after a tenth of the time, with every lease ended
 * @param heapEndBytes the same at the end
 * @param residentEarlyBytes memory of the process after a tenth of the time, with no native buffer; 0 if unknown
 * @param residentEndBytes the same at the end
 * @param growthLimitBytes how much either may grow
 * @param errors exceptions that no thread should have seen, and threads that did not end
 */
record SoakResult(
        String device,
        long seed,
        int threads,
        boolean faults,
        boolean checked,
        String leakDetection,
        double seconds,
        long operations,
        double operationsPerSecond,
        long requests,
        long hits,
        long nativeAllocations,
        long refusedByMemoryLimit,
        long refusedByBufferLimit,
        long refusedByDevice,
        long deviceFaults,
        long fencedReleases,
        long scopes,
        long resets,
        long overlaps,
        long samples,
        long violations,
        long memoryLimitBytes,
        long peakFootprintBytes,
        long bufferLimit,
        long peakBuffers,
        long deviceLimitBytes,
        long peakDeviceBytes,
        long lostBudgetBytes,
        long lostBudgetBuffers,
        long lostBytes,
        long liveObjects,
        long heapEarlyBytes,
        long heapEndBytes,
        long residentEarlyBytes,
        long residentEndBytes,
        long growthLimitBytes,
        long errors) {

    /** What is wrong with it, a sentence each; nothing should be. */
    List<String> failures() {
        var failures = new ArrayList<String>();
        requireZero(failures, "overlaps", overlaps);
        requireZero(failures, "violations of the figures or limits", violations);
        requireZero(failures, "bytes of the memory limit lost", lostBudgetBytes);
        requireZero(failures, "buffers of the buffer limit lost", lostBudgetBuffers);
        requireZero(failures, "bytes lost", lostBytes);
        requireZero(failures, "native objects left", liveObjects);
        requireZero(failures, "errors", errors);
        requireWithin(failures, "footprint", peakFootprintBytes, memoryLimitBytes);
        requireWithin(failures, "number of buffers", peakBuffers, bufferLimit);
        requireWithin(failures, "memory of the device", peakDeviceBytes, deviceLimitBytes);
        requireWithin(failures, "growth of the heap", heapEndBytes - heapEarlyBytes, growthLimitBytes);
        requireWithin(failures, "growth of the process", residentEndBytes - residentEarlyBytes, growthLimitBytes);
        return failures;
    }

    private static void requireZero(List<String> failures, String what, long value) {
        if (value != 0) {
            failures.add("%s: %d".formatted(what, value));
        }
    }

    private static void requireWithin(List<String> failures, String what, long value, long limit) {
        if (value > limit) {
            failures.add("%s: %d, above %d".formatted(what, value, limit));
        }
    }
}
