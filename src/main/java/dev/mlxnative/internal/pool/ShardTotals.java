package dev.mlxnative.internal.pool;

/** The sums of the figures of all shards. Confined to the thread that adds them up. */
final class ShardTotals {
    long hits;
    int activeCount;
    long activeBytes;
    long requestedBytes;
    /** The sum of the shards' peaks, which is an upper bound of the peak of their sum. */
    long peakActiveBytes;

    int cachedCount;
    long cachedBytes;
}
