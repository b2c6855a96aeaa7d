package dev.mlxnative;

import java.lang.management.PlatformManagedObject;

/**
 * A pool as JMX shows it: the figures of {@link PoolStats}, each read on its own, and the limits. Sizes are bytes,
 * times milliseconds, rounded up. Reading a figure looks after parked memory, as {@link MlxBufferPool#stats} does.
 */
public interface MlxBufferPoolMXBean extends PlatformManagedObject {
    /** {@link MlxBufferPool#name}. */
    String getName();

    /** {@link PoolStats#requests}. */
    long getRequests();

    /** {@link PoolStats#hits}. */
    long getHits();

    /** {@link PoolStats#hitRate}. */
    double getHitRate();

    /** {@link PoolStats#nativeAllocations}. */
    long getNativeAllocations();

    /** {@link PoolStats#failedAllocations}. */
    long getFailedAllocations();

    /** {@link PoolStats#activeCount}. */
    int getActiveCount();

    /** {@link PoolStats#activeBytes}. */
    long getActiveBytes();

    /** {@link PoolStats#requestedBytes}. */
    long getRequestedBytes();

    /** {@link PoolStats#cachedCount}. */
    int getCachedCount();

    /** {@link PoolStats#cachedBytes}. */
    long getCachedBytes();

    /** {@link PoolStats#parkedCount}. */
    int getParkedCount();

    /** {@link PoolStats#parkedBytes}. */
    long getParkedBytes();

    /** {@link PoolStats#footprintBytes}. */
    long getFootprintBytes();

    /** {@link PoolStats#peakActiveBytes}. */
    long getPeakActiveBytes();

    /** {@link PoolStats#peakFootprintBytes}. */
    long getPeakFootprintBytes();

    /** {@link PoolStats#trimmedBytes}. */
    long getTrimmedBytes();

    /** {@link MlxBufferPool#leakedCount}. */
    long getLeakedCount();

    /** {@link PoolStats#deviceAllocatedBytes}. */
    long getDeviceAllocatedBytes();

    /** {@link MlxBufferPool#memoryLimit}. */
    long getMemoryLimit();

    /** {@link MlxBufferPool#setMemoryLimit}. */
    void setMemoryLimit(long bytes);

    /** {@link MlxBufferPool#cacheLimit}. */
    long getCacheLimit();

    /** {@link MlxBufferPool#setCacheLimit}. */
    void setCacheLimit(long bytes);

    /** {@link MlxBufferPool#bufferLimit}. */
    long getBufferLimit();

    /** {@link MlxBufferPool#setBufferLimit}. */
    void setBufferLimit(long buffers);

    /** {@link MlxBufferPool#roundToPagesAbove}. */
    long getRoundToPagesAbove();

    /** {@link MlxBufferPool#setRoundToPagesAbove}. */
    void setRoundToPagesAbove(long bytes);

    /** {@link MlxBufferPool#trimIdleAfter}. */
    long getTrimIdleAfterMillis();

    /** {@link MlxBufferPool#setTrimIdleAfter}. */
    void setTrimIdleAfterMillis(long millis);

    /** {@link MlxBufferPool#waitForParked}. */
    long getWaitForParkedMillis();

    /** {@link MlxBufferPool#setWaitForParked}. */
    void setWaitForParkedMillis(long millis);

    /** {@link MlxBufferPool#trim}. */
    long trim(long maxFreeBytes);

    /** {@link MlxBufferPool#clear}. */
    long clear();
}
