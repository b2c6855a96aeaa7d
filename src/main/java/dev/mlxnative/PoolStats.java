package dev.mlxnative;

/**
 * A pool's figures at one moment. Every snapshot is consistent in itself, except for {@code deviceAllocatedBytes},
 * which is read just before.
 *
 * <p>These equations hold in each: {@code requests = hits + nativeAllocations + failedAllocations}, and
 * {@link #footprintBytes()} {@code = activeBytes + cachedBytes + parkedBytes}. Active, cached and parked bytes are
 * whole capacities, so {@code activeBytes - requestedBytes} is the cost of rounding up.
 *
 * @param requests calls that were served or denied; not those that found the pool or the device closed
 * @param hits requests served by free memory
 * @param nativeAllocations requests served by a new native buffer
 * @param activeCount leases that have not ended
 * @param activeBytes bytes of the blocks behind them
 * @param requestedBytes bytes that those leases asked for
 * @param cachedCount free blocks: native buffers, or parts of them that a pool leases one by one, those that are in
 *     quarantine after a leak included
 * @param cachedBytes their bytes
 * @param parkedCount blocks whose lease has ended, and which wait for a fence or the end of a scope
 * @param parkedBytes their bytes
 * @param peakActiveBytes the highest value of {@code activeBytes} so far; if several threads share the pool, an upper
 *     bound of it, and at most {@code peakFootprintBytes}
 * @param peakFootprintBytes the highest value of {@link #footprintBytes()} so far
 * @param trimmedBytes bytes of free memory that were freed so far, for any reason
 * @param failedAllocations requests that were denied with a {@link BufferAllocationException}
 * @param deviceAllocatedBytes bytes that the device counts for all code of this process, in whole pages: the footprints
 *     of all pools, and what is allocated without a pool; 0 once the device is closed and unused
 */
public record PoolStats(
        long requests,
        long hits,
        long nativeAllocations,
        int activeCount,
        long activeBytes,
        long requestedBytes,
        int cachedCount,
        long cachedBytes,
        int parkedCount,
        long parkedBytes,
        long peakActiveBytes,
        long peakFootprintBytes,
        long trimmedBytes,
        long failedAllocations,
        long deviceAllocatedBytes) {

    /** Bytes that the pool keeps alive: active, cached and parked. */
    public long footprintBytes() {
        return activeBytes + cachedBytes + parkedBytes;
    }

    /** Hits over requests, from 0 to 1; 1 where there was no request yet. */
    public double hitRate() {
        return requests == 0 ? 1 : (double) hits / requests;
    }
}
