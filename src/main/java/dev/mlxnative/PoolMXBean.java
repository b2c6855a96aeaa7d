package dev.mlxnative;

import java.time.Duration;
import javax.management.MalformedObjectNameException;
import javax.management.ObjectName;

/** Reads and sets what the pool has, one figure at a time, as JMX asks. */
final class PoolMXBean implements MlxBufferPoolMXBean {
    private final MlxBufferPool pool;

    PoolMXBean(MlxBufferPool pool) {
        this.pool = pool;
    }

    @Override
    public ObjectName getObjectName() {
        try {
            return new ObjectName("dev.mlxnative:type=MlxBufferPool,name=" + ObjectName.quote(pool.name()));
        } catch (MalformedObjectNameException e) {
            throw new AssertionError("a quoted name is well-formed", e);
        }
    }

    @Override
    public String getName() {
        return pool.name();
    }

    @Override
    public long getRequests() {
        return pool.stats().requests();
    }

    @Override
    public long getHits() {
        return pool.stats().hits();
    }

    @Override
    public double getHitRate() {
        return pool.stats().hitRate();
    }

    @Override
    public long getNativeAllocations() {
        return pool.stats().nativeAllocations();
    }

    @Override
    public long getFailedAllocations() {
        return pool.stats().failedAllocations();
    }

    @Override
    public int getActiveCount() {
        return pool.stats().activeCount();
    }

    @Override
    public long getActiveBytes() {
        return pool.stats().activeBytes();
    }

    @Override
    public long getRequestedBytes() {
        return pool.stats().requestedBytes();
    }

    @Override
    public int getCachedCount() {
        return pool.stats().cachedCount();
    }

    @Override
    public long getCachedBytes() {
        return pool.stats().cachedBytes();
    }

    @Override
    public int getParkedCount() {
        return pool.stats().parkedCount();
    }

    @Override
    public long getParkedBytes() {
        return pool.stats().parkedBytes();
    }

    @Override
    public long getFootprintBytes() {
        return pool.stats().footprintBytes();
    }

    @Override
    public long getPeakActiveBytes() {
        return pool.stats().peakActiveBytes();
    }

    @Override
    public long getPeakFootprintBytes() {
        return pool.stats().peakFootprintBytes();
    }

    @Override
    public long getTrimmedBytes() {
        return pool.stats().trimmedBytes();
    }

    @Override
    public long getLeakedCount() {
        return pool.leakedCount();
    }

    @Override
    public long getDeviceAllocatedBytes() {
        return pool.stats().deviceAllocatedBytes();
    }

    @Override
    public long getMemoryLimit() {
        return pool.memoryLimit();
    }

    @Override
    public void setMemoryLimit(long bytes) {
        pool.setMemoryLimit(bytes);
    }

    @Override
    public long getCacheLimit() {
        return pool.cacheLimit();
    }

    @Override
    public void setCacheLimit(long bytes) {
        pool.setCacheLimit(bytes);
    }

    @Override
    public long getBufferLimit() {
        return pool.bufferLimit();
    }

    @Override
    public void setBufferLimit(long buffers) {
        pool.setBufferLimit(buffers);
    }

    @Override
    public long getRoundToPagesAbove() {
        return pool.roundToPagesAbove();
    }

    @Override
    public void setRoundToPagesAbove(long bytes) {
        pool.setRoundToPagesAbove(bytes);
    }

    @Override
    public long getTrimIdleAfterMillis() {
        return millis(pool.trimIdleAfter());
    }

    @Override
    public void setTrimIdleAfterMillis(long millis) {
        pool.setTrimIdleAfter(Duration.ofMillis(millis));
    }

    @Override
    public long getWaitForParkedMillis() {
        return millis(pool.waitForParked());
    }

    @Override
    public void setWaitForParkedMillis(long millis) {
        pool.setWaitForParked(Duration.ofMillis(millis));
    }

    @Override
    public long trim(long maxFreeBytes) {
        return pool.trim(maxFreeBytes);
    }

    @Override
    public long clear() {
        return pool.clear();
    }

    /** Rounded up: 0 means never. */
    private static long millis(Duration duration) {
        return duration.plusNanos(999_999).toMillis();
    }
}
