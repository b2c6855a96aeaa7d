package dev.mlxnative;

/**
 * The counts of a pool, one method for each thing that can happen to a buffer. What is leased is counted by the
 * {@link Stripes}, what is free by the {@link FreeMemory} too. Not thread-safe.
 */
final class PoolBooks {
    private long nativeAllocations;
    private long failedAllocations;
    private int parkedCount;
    private long parkedBytes;
    private long peakFootprintBytes;
    private long trimmedBytes;
    private long leakedCount;

    /** A miss that the device has served; {@code footprintBytes} with the new memory. */
    void allocated(long footprintBytes) {
        nativeAllocations++;
        // Nothing but new memory makes the footprint grow.
        peakFootprintBytes = Math.max(peakFootprintBytes, footprintBytes + parkedBytes);
    }

    void failed() {
        failedAllocations++;
    }

    void parked(Block block) {
        parkedCount++;
        parkedBytes += block.capacity();
    }

    void unparked(Block block) {
        parkedCount--;
        parkedBytes -= block.capacity();
    }

    /** Free memory goes back to the device. */
    void trimmed(NativeBuffer memory) {
        trimmedBytes += memory.capacity();
    }

    /** A lease that ended was one that nobody could have ended. */
    void leaked() {
        leakedCount++;
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

    PoolStats snapshot(FreeMemory free, Stripe.Counts stripes, long deviceAllocatedBytes) {
        return new PoolStats(
                stripes.hits + nativeAllocations + failedAllocations,
                stripes.hits,
                nativeAllocations,
                stripes.activeCount,
                stripes.activeBytes,
                stripes.requestedBytes,
                free.count() + stripes.keptCount,
                free.bytes() + stripes.keptBytes,
                parkedCount,
                parkedBytes,
                Math.min(stripes.peakActiveBytes, peakFootprintBytes),
                peakFootprintBytes,
                trimmedBytes,
                failedAllocations,
                deviceAllocatedBytes);
    }
}
