package dev.mlxnative;

import java.lang.management.PlatformManagedObject;

/**
 * A pool in JMX: the figures of {@link PoolStats}, each read on its own, and the limits. Sizes are bytes; times are
 * milliseconds, rounded up. Reading a figure frees parked memory whose fence is complete, as
 * {@link MlxBufferPool#stats} does.
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

    /** {@link PoolLimits#memoryLimit}. */
    long getMemoryLimit();

    /** {@link PoolLimits#setMemoryLimit}. */
    void setMemoryLimit(long bytes);

    /** {@link PoolLimits#cacheLimit}. */
    long getCacheLimit();

    /** {@link PoolLimits#setCacheLimit}. */
    void setCacheLimit(long bytes);

    /** {@link PoolLimits#bufferLimit}. */
    long getBufferLimit();

    /** {@link PoolLimits#setBufferLimit}. */
    void setBufferLimit(long buffers);

    /** {@link PoolLimits#roundToPagesAbove}. */
    long getRoundToPagesAbove();

    /** {@link PoolLimits#setRoundToPagesAbove}. */
    void setRoundToPagesAbove(long bytes);

    /** {@link PoolLimits#trimIdleAfter}. */
    long getTrimIdleAfterMillis();

    /** {@link PoolLimits#setTrimIdleAfter}. */
    void setTrimIdleAfterMillis(long millis);

    /** {@link PoolLimits#purgeableAfter}. */
    long getPurgeableAfterMillis();

    /** {@link PoolLimits#setPurgeableAfter}. */
    void setPurgeableAfterMillis(long millis);

    /** {@link PoolLimits#waitForParked}. */
    long getWaitForParkedMillis();

    /** {@link PoolLimits#setWaitForParked}. */
    void setWaitForParkedMillis(long millis);

    /** {@link MlxBufferPool#trim}. */
    long trim(long maxFreeBytes);

    /** {@link MlxBufferPool#clear}. */
    long clear();
}
