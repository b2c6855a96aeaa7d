package dev.mlxnative.bench.replay;

import dev.mlxnative.bench.cli.Cells;
import java.util.Optional;

/**
 * The result of the replay of one trace with one policy. The components are the fields of the JSON, in this order.
 *
 * @param trace the file name of the trace
 * @param device the backend and the device's name
 * @param policy the label of the {@link Policy}
 * @param requests the number of allocations in the trace
 * @param nativeAllocations the requests for which the pool allocated on the device
 * @param hits the requests that the pool served from its cache
 * @param peakLiveBytes the maximum of the bytes that the trace has live at once
 * @param offlineBytes the bytes of the arena that an {@link OfflinePlanner} needs
 * @param peakFootprintBytes the maximum of the bytes that the pool held
 * @param nativeMicros the time of the pool's native allocations, at {@link #NATIVE_ALLOCATION_MICROS} each
 * @param durationMicros the time from the first event to the last when the trace was recorded; 0 if it has no times
 * @param directRequests the requests of the trace that each pass directly on the device ran
 * @param directNanosPerRequest the mean time of a request with its free in the median pass, directly on the device
 * @param pooledNanosPerRequest the mean time of a request with its free in the median pass, through the pool
 * @param overlaps the leases that shared bytes with another live one, on the device and through the pool
 * @param leaks the leases that never ended, plus 1 for each kind of pass after which the device held other memory than
 *     before
 * @param gaps what the log lacks
 */
record ReplayResult(
        String trace,
        String device,
        String policy,
        long requests,
        long nativeAllocations,
        long hits,
        long peakLiveBytes,
        long offlineBytes,
        long peakFootprintBytes,
        long nativeMicros,
        long durationMicros,
        long directRequests,
        double directNanosPerRequest,
        double pooledNanosPerRequest,
        long overlaps,
        long leaks,
        Gaps gaps) {

    /** The time of a native allocation on Metal, which takes 5 to 30 microseconds. */
    static final long NATIVE_ALLOCATION_MICROS = 20;

    /** A sentence for the user about the requests that the passes directly on the device left out. */
    Optional<String> sampleRemark() {
        return directRequests == requests
                ? Optional.empty()
                : Optional.of("straight on the device: a sample of %s of the %s requests"
                        .formatted(Cells.count(directRequests), Cells.count(requests)));
    }
}
