package dev.mlxnative.bench.replay;

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
 * @param peakFootprintBytes the maximum of the bytes that the pool held
 * @param directRequests the requests of the trace that each pass directly on the device ran
 * @param directNanosPerRequest the mean time of a request with its free in the median pass, directly on the device
 * @param pooledNanosPerRequest the mean time of a request with its free in the median pass, through the pool
 * @param overlaps the leases whose contents another lease altered, on the device and through the pool
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
        long peakFootprintBytes,
        long directRequests,
        double directNanosPerRequest,
        double pooledNanosPerRequest,
        long overlaps,
        long leaks,
        Gaps gaps) {

    /** A sentence for the user about the requests that the passes directly on the device left out. */
    Optional<String> sampleRemark() {
        return directRequests == requests
                ? Optional.empty()
                : Optional.of("straight on the device: a sample of %s of the %s requests"
                        .formatted(Cells.count(directRequests), Cells.count(requests)));
    }
}
