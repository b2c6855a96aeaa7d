package dev.mlxnative.bench.replay;

/**
 * What the replay of one trace found. The components, by name and in order, are the fields of the JSON that is written.
 *
 * @param trace the name of its file
 * @param device the backend and the device's name
 * @param policy how the pool is set: see {@link Policy}
 * @param requests how many allocations the trace has
 * @param nativeAllocations how many of them the pool passed on to the device
 * @param hits how many of them the pool served from what it had
 * @param peakLiveBytes the most bytes that the trace ever has live at once
 * @param peakFootprintBytes the most bytes that the pool ever held for it
 * @param directNanosPerRequest an allocation and its free straight on the device, on average
 * @param pooledNanosPerRequest the same through the pool
 * @param overlaps how many leases did not keep what was written to them, both ways
 * @param leaks how many leases the pool never got back, and for how many ways the device kept memory afterwards
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
        double directNanosPerRequest,
        double pooledNanosPerRequest,
        long overlaps,
        long leaks) {}
