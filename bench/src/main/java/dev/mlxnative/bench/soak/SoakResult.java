package dev.mlxnative.bench.soak;

import java.util.ArrayList;
import java.util.List;

/**
 * The result of a soak. The components are the fields of the JSON, in this order.
 *
 * @param device the backend and the device's name
 * @param seed the seed of the random choices
 * @param threads the number of threads that shared a pool
 * @param faults whether the device failed now and then
 * @param vmErrors whether stacks overflowed and the heap was full now and then
 * @param checked whether the pools were in checked mode
 * @param leakDetection the pools' leak detection
 * @param seconds the time that the threads worked
 * @param operations the leases that began plus the leases that ended
 * @param operationsPerSecond {@code operations / seconds}
 * @param requests the requests to both pools
 * @param hits the requests that a pool served from its cache
 * @param nativeAllocations the requests for which a pool allocated on the device
 * @param refusedByMemoryLimit the requests that a memory limit refused
 * @param refusedByBufferLimit the requests that a limit on the number of buffers refused
 * @param refusedByDevice the requests that the device refused
 * @param deviceFaults the number of times that the soak made the device fail for a moment
 * @param stackOverflows the calls of a pool that met a {@link StackOverflowError}
 * @param heapErrors the times that a thread of the soak met an {@link OutOfMemoryError}
 * @param fencedReleases the leases that ended with a fence
 * @param commandBuffers the command buffers that were committed
 * @param dispatches the kernels that were encoded, each of which checked a stamp
 * @param failedCommandBuffers the command buffers that failed, each by a fault that the soak injected
 * @param inFlightReleases the leases that ended while a command buffer used them
 * @param scratchLeases the leases of scratch memory
 * @param scopes the scopes, which served a few dozen requests each
 * @param resets the number of times that a thread reset its pool
 * @param overlaps the leases whose stamps another lease altered
 * @param samples the number of times that the soak read a pool's figures
 * @param violations the figures that contradicted each other, the limits, or the counts of the threads
 * @param memoryLimitBytes the memory limit of the shared pool
 * @param peakFootprintBytes the maximum of the bytes that the shared pool held
 * @param bufferLimit the buffer limits of both pools
 * @param peakBuffers the maximum of the device's native buffers over all samples
 * @param deviceLimitBytes the limits of both pools on the device, with its rounding and what errors of the VM may add
 * @param peakDeviceBytes the maximum of the device's bytes over all samples
 * @param lostBudgetBytes the bytes that the memory limits allowed at the end, but a pool refused
 * @param lostBudgetBuffers the buffers that the buffer limits allowed at the end, but a pool refused
 * @param lostBytes the device's bytes after the pools were closed, minus its bytes before the soak
 * @param liveObjects the native objects that were live after the soak had closed everything
 * @param heapEarlyBytes the live bytes of the heap after a tenth of the time, with every lease ended
 * @param heapEndBytes the live bytes of the heap at the end, with every lease ended
 * @param residentEarlyBytes the memory of the process after a tenth of the time, with no native buffer; 0 if unknown
 * @param residentEndBytes the memory of the process at the end, with no native buffer; 0 if unknown
 * @param growthLimitBytes the limit of the growth of the heap, and of the process
 * @param errors the unexpected exceptions of the threads, and the threads that did not end
 */
record SoakResult(
        String device,
        long seed,
        int threads,
        boolean faults,
        boolean vmErrors,
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
        long stackOverflows,
        long heapErrors,
        long fencedReleases,
        long commandBuffers,
        long dispatches,
        long failedCommandBuffers,
        long inFlightReleases,
        long scratchLeases,
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

    private static final int SECONDS_TO_MEET_VM_ERRORS = 60;

    /** The failures of the soak, one message each; empty if it passed. */
    List<String> failures() {
        var failures = new ArrayList<String>();
        requireZero(failures, "overlaps", overlaps);
        requireZero(failures, "violations of the figures or limits", violations);
        requireZero(failures, "bytes of the memory limit lost", lostBudgetBytes);
        requireZero(failures, "buffers of the buffer limit lost", lostBudgetBuffers);
        requireZero(failures, "bytes lost", lostBytes);
        requireZero(failures, "native objects left", liveObjects);
        requireZero(failures, "errors", errors);
        if (mustMeetVmErrors()) {
            requireSome(failures, "stack overflows met", stackOverflows);
            requireSome(failures, "heap errors met", heapErrors);
        }
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

    /** Whether the soak was long enough to meet both errors of the VM for sure. */
    boolean mustMeetVmErrors() {
        return vmErrors && seconds >= SECONDS_TO_MEET_VM_ERRORS;
    }

    private void requireSome(List<String> failures, String what, long value) {
        if (value == 0) {
            failures.add("%s: none in %.0f s".formatted(what, seconds));
        }
    }

    private static void requireWithin(List<String> failures, String what, long value, long limit) {
        if (value > limit) {
            failures.add("%s: %d, above %d".formatted(what, value, limit));
        }
    }
}
