package dev.mlxnative.internal.pool;

import dev.mlxnative.PoolStats;

/**
 * The counters of a pool that neither its shards nor its free space nor its pending releases keep. Not thread-safe; the
 * pool's lock guards it.
 */
final class PoolCounters {
    private long nativeAllocations;
    private long failedAllocations;
    private long peakFootprintBytes;
    private long trimmedBytes;
    private long leakedCount;

    /** The device served a request; {@code footprintBytes} include the new memory, which alone makes them grow. */
    void allocated(long footprintBytes) {
        nativeAllocations++;
        peakFootprintBytes = Math.max(peakFootprintBytes, footprintBytes);
    }

    /** A request was denied. */
    void failed() {
        failedAllocations++;
    }

    /** Cached memory is being freed. */
    void trimmed(long bytes) {
        trimmedBytes += bytes;
    }

    /** A lease was ended because nothing could end it any more. */
    void leaked() {
        leakedCount++;
    }

    long leakedCount() {
        return leakedCount;
    }

    /** The requests that the pool has had. */
    long requests(ShardTotals shards) {
        return shards.hits + nativeAllocations + failedAllocations;
    }

    PoolStats snapshot(FreeSpace free, ShardTotals shards, PendingReleases pending, long deviceAllocatedBytes) {
        return new PoolStats(
                requests(shards),
                shards.hits,
                nativeAllocations,
                shards.activeCount,
                shards.activeBytes,
                shards.requestedBytes,
                free.count() + shards.cachedCount,
                free.bytes() + shards.cachedBytes,
                pending.count(),
                pending.bytes(),
                Math.min(shards.peakActiveBytes, peakFootprintBytes),
                peakFootprintBytes,
                trimmedBytes,
                failedAllocations,
                deviceAllocatedBytes);
    }
}
