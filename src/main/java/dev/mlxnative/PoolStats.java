package dev.mlxnative;

/**
 * A pool's figures at one moment: every snapshot is consistent in itself, but for {@code deviceAllocatedBytes}, which
 * is read just before.
 *
 * <p>These hold in each: {@code requests = hits + nativeAllocations + failedAllocations}, and {@link #footprintBytes()}
 * {@code = activeBytes + cachedBytes + parkedBytes}. Active, cached and parked bytes are whole capacities, so
 * {@code activeBytes - requestedBytes} is what rounding up costs.
 *
 * @param requests calls that got memory, or were refused it; not those that found the pool or the device closed
 * @param hits requests served from the free lists
 * @param nativeAllocations requests served by a new native buffer
 * @param activeCount leases that have not ended
 * @param activeBytes bytes of the native buffers behind them
 * @param requestedBytes bytes that those leases asked for
 * @param cachedCount free blocks: native buffers or, in a pool that is {@link Sizing#COMPACT}, stretches of them
 * @param cachedBytes their bytes
 * @param parkedCount blocks whose lease has ended but whose fence or scope has not
 * @param parkedBytes their bytes
 * @param peakActiveBytes the highest that {@code activeBytes} has been; where several threads share the pool, an upper
 *     bound of that, and at most {@code peakFootprintBytes}
 * @param peakFootprintBytes the highest that {@link #footprintBytes()} has been
 * @param trimmedBytes bytes of free memory that have gone back to the device so far, for whatever reason
 * @param failedAllocations requests that ended in an exception because memory could not be had
 * @param deviceAllocatedBytes what the device counts as allocated, by this pool and everyone else in the process, in
 *     whole pages: more than the footprint, even for a pool that is alone; 0 once the device is closed and unused
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
