package dev.mlxnative;

import dev.mlxnative.internal.pool.PoolEngine;
import java.time.Duration;
import javax.management.MalformedObjectNameException;
import javax.management.ObjectName;

/** The view of a pool for JMX, which reads and sets one figure at a time. */
final class PoolMXBean implements MlxBufferPoolMXBean {
    private final PoolEngine engine;
    private final PoolLimits limits;

    PoolMXBean(PoolEngine engine, PoolLimits limits) {
        this.engine = engine;
        this.limits = limits;
    }

    @Override
    public ObjectName getObjectName() {
        try {
            return new ObjectName("dev.mlxnative:type=MlxBufferPool,name=" + ObjectName.quote(engine.name()));
        } catch (MalformedObjectNameException e) {
            throw new AssertionError("a quoted name is well-formed", e);
        }
    }

    @Override
    public String getName() {
        return engine.name();
    }

    @Override
    public long getRequests() {
        return engine.stats().requests();
    }

    @Override
    public long getHits() {
        return engine.stats().hits();
    }

    @Override
    public double getHitRate() {
        return engine.stats().hitRate();
    }

    @Override
    public long getNativeAllocations() {
        return engine.stats().nativeAllocations();
    }

    @Override
    public long getFailedAllocations() {
        return engine.stats().failedAllocations();
    }

    @Override
    public int getActiveCount() {
        return engine.stats().activeCount();
    }

    @Override
    public long getActiveBytes() {
        return engine.stats().activeBytes();
    }

    @Override
    public long getRequestedBytes() {
        return engine.stats().requestedBytes();
    }

    @Override
    public int getCachedCount() {
        return engine.stats().cachedCount();
    }

    @Override
    public long getCachedBytes() {
        return engine.stats().cachedBytes();
    }

    @Override
    public int getParkedCount() {
        return engine.stats().parkedCount();
    }

    @Override
    public long getParkedBytes() {
        return engine.stats().parkedBytes();
    }

    @Override
    public long getFootprintBytes() {
        return engine.stats().footprintBytes();
    }

    @Override
    public long getPeakActiveBytes() {
        return engine.stats().peakActiveBytes();
    }

    @Override
    public long getPeakFootprintBytes() {
        return engine.stats().peakFootprintBytes();
    }

    @Override
    public long getTrimmedBytes() {
        return engine.stats().trimmedBytes();
    }

    @Override
    public long getLeakedCount() {
        return engine.leakedCount();
    }

    @Override
    public long getDeviceAllocatedBytes() {
        return engine.stats().deviceAllocatedBytes();
    }

    @Override
    public long getMemoryLimit() {
        return limits.memoryLimit();
    }

    @Override
    public void setMemoryLimit(long bytes) {
        limits.setMemoryLimit(bytes);
    }

    @Override
    public long getCacheLimit() {
        return limits.cacheLimit();
    }

    @Override
    public void setCacheLimit(long bytes) {
        limits.setCacheLimit(bytes);
    }

    @Override
    public long getBufferLimit() {
        return limits.bufferLimit();
    }

    @Override
    public void setBufferLimit(long buffers) {
        limits.setBufferLimit(buffers);
    }

    @Override
    public long getRoundToPagesAbove() {
        return limits.roundToPagesAbove();
    }

    @Override
    public void setRoundToPagesAbove(long bytes) {
        limits.setRoundToPagesAbove(bytes);
    }

    @Override
    public long getTrimIdleAfterMillis() {
        return millis(limits.trimIdleAfter());
    }

    @Override
    public void setTrimIdleAfterMillis(long millis) {
        limits.setTrimIdleAfter(Duration.ofMillis(millis));
    }

    @Override
    public long getPurgeableAfterMillis() {
        return millis(limits.purgeableAfter());
    }

    @Override
    public void setPurgeableAfterMillis(long millis) {
        limits.setPurgeableAfter(Duration.ofMillis(millis));
    }

    @Override
    public long getWaitForParkedMillis() {
        return millis(limits.waitForParked());
    }

    @Override
    public void setWaitForParkedMillis(long millis) {
        limits.setWaitForParked(Duration.ofMillis(millis));
    }

    @Override
    public long trim(long maxFreeBytes) {
        return engine.trim(PoolLimits.requireNotNegative("maxFreeBytes", maxFreeBytes));
    }

    @Override
    public long clear() {
        return trim(0);
    }

    /** Rounded up: 0 means never. */
    private static long millis(Duration duration) {
        return duration.plusNanos(999_999).toMillis();
    }
}
