package dev.mlxnative;

/**
 * The counts of a pool, one method for each thing that can happen to a buffer. Cached buffers are counted by the
 * {@link FreeLists} that hold them. Not thread-safe.
 */
final class PoolBooks {
    private long hits;
    private long nativeAllocations;
    private long failedAllocations;
    private int activeCount;
    private long activeBytes;
    private long requestedBytes;
    private int parkedCount;
    private long parkedBytes;
    private long peakActiveBytes;
    private long peakFootprintBytes;
    private long trimmedBytes;
    private long leakedCount;

    void hit(NativeBuffer memory) {
        hits++;
        activated(memory);
    }

    /** A miss that the device has served; {@code cachedBytes} as they are at this moment. */
    void allocated(NativeBuffer memory, long cachedBytes) {
        nativeAllocations++;
        activated(memory);
        // Nothing but new memory makes the footprint grow.
        peakFootprintBytes = Math.max(peakFootprintBytes, activeBytes + parkedBytes + cachedBytes);
    }

    void failed() {
        failedAllocations++;
    }

    private void activated(NativeBuffer memory) {
        activeCount++;
        activeBytes += memory.capacity();
        requestedBytes += memory.requestedBytes;
        peakActiveBytes = Math.max(peakActiveBytes, activeBytes);
    }

    /** A lease has ended; the memory is cached, freed or parked next. */
    void ended(NativeBuffer memory) {
        activeCount--;
        activeBytes -= memory.capacity();
        requestedBytes -= memory.requestedBytes;
    }

    void parked(NativeBuffer memory) {
        parkedCount++;
        parkedBytes += memory.capacity();
    }

    void unparked(NativeBuffer memory) {
        parkedCount--;
        parkedBytes -= memory.capacity();
    }

    /** Free memory goes back to the device. */
    void trimmed(NativeBuffer memory) {
        trimmedBytes += memory.capacity();
    }

    /** A lease that ended was one that nobody could have ended. */
    void leaked() {
        leakedCount++;
    }

    long activeBytes() {
        return activeBytes;
    }

    long leakedCount() {
        return leakedCount;
    }

    /** Buffers that wait for a fence, or are about to be filed because it is complete, and their bytes. */
    int parkedCount() {
        return parkedCount;
    }

    long parkedBytes() {
        return parkedBytes;
    }

    PoolStats snapshot(FreeLists free, long deviceAllocatedBytes) {
        return new PoolStats(
                hits + nativeAllocations + failedAllocations,
                hits,
                nativeAllocations,
                activeCount,
                activeBytes,
                requestedBytes,
                free.count(),
                free.bytes(),
                parkedCount,
                parkedBytes,
                peakActiveBytes,
                peakFootprintBytes,
                trimmedBytes,
                failedAllocations,
                deviceAllocatedBytes);
    }
}
