package dev.mlxnative;

import dev.mlxnative.internal.pool.LimitSettings;
import dev.mlxnative.internal.pool.PoolEngine;
import java.time.Duration;

/**
 * The settings of a pool that may change while the pool is used. Each has the meaning of the method of
 * {@link MlxBufferPool.Builder} with its name. A change acts at once, also on requests that wait. Thread-safe.
 */
public final class PoolLimits {
    /** The longest time that a setting can have: a hundred years. */
    private static final Duration FOREVER = Duration.ofDays(36_500);

    private final PoolEngine engine;

    PoolLimits(PoolEngine engine) {
        this.engine = engine;
    }

    private LimitSettings settings() {
        return engine.limits();
    }

    /**
     * Bytes that may be alive in native buffers of the pool: active, cached, parked, and those that are being allocated
     * or freed.
     */
    public long memoryLimit() {
        return settings().memoryLimit();
    }

    /**
     * Sets the memory limit. Free memory that it does not allow is freed before this returns.
     *
     * @throws IllegalArgumentException if it is negative
     */
    public void setMemoryLimit(long bytes) {
        requireNotNegative("memoryLimit", bytes);
        engine.adjust(limits -> limits.withMemoryLimit(bytes), false);
    }

    /** Bytes of free memory that the pool keeps. */
    public long cacheLimit() {
        return settings().cacheLimit();
    }

    /**
     * Sets the cache limit. Free memory above it is freed before this returns, unless it shares its native buffer with
     * a lease.
     *
     * @throws IllegalArgumentException if it is negative
     */
    public void setCacheLimit(long bytes) {
        requireNotNegative("cacheLimit", bytes);
        engine.adjust(limits -> limits.withCacheLimit(bytes), false);
    }

    /** Native buffers that may be alive. */
    public long bufferLimit() {
        return settings().bufferLimit();
    }

    /**
     * Sets the limit on the number of buffers. Free buffers above it are freed before this returns.
     *
     * @throws IllegalArgumentException if it is negative
     */
    public void setBufferLimit(long buffers) {
        requireNotNegative("bufferLimit", buffers);
        engine.adjust(limits -> limits.withBufferLimit(buffers), false);
    }

    /** The largest request, in bytes, that is rounded to a power of two. */
    public long roundToPagesAbove() {
        return settings().roundToPagesAbove();
    }

    /**
     * Sets the largest request that is rounded to a power of two. Native buffers that exist keep their size, and later
     * requests find them by it.
     *
     * @throws IllegalArgumentException if it is negative
     */
    public void setRoundToPagesAbove(long bytes) {
        requireNotNegative("roundToPagesAbove", bytes);
        engine.adjust(limits -> limits.withRoundToPagesAbove(bytes), false);
    }

    /** How long free memory lies idle before it is freed; zero for ever. */
    public Duration trimIdleAfter() {
        return Duration.ofNanos(settings().trimIdleNanos());
    }

    /**
     * Sets how long free memory lies idle before it is freed. The time begins anew for memory that is free.
     *
     * @throws IllegalArgumentException if it is negative
     */
    public void setTrimIdleAfter(Duration idle) {
        long nanos = nanos("trimIdleAfter", idle);
        engine.adjust(limits -> limits.withTrimIdleNanos(nanos), true);
    }

    /** How long free memory lies idle before the system may take its contents; zero for ever. */
    public Duration purgeableAfter() {
        return Duration.ofNanos(settings().offerIdleNanos());
    }

    /**
     * Sets how long free memory lies idle before the system may take its contents. The time begins anew for memory that
     * is free. Zero for never; what the system may take already is then taken back by the next lease on it.
     *
     * <p>The pool marks native buffers that are entirely free as {@code MTLPurgeableStateVolatile}, on the daemon
     * thread of {@link #setTrimIdleAfter}. Under memory pressure macOS then takes their pages, before it ends a
     * process. They still count as free memory of the pool, against its limits too, since Metal's own count includes
     * them. A request that reuses such a buffer first makes it non-volatile, with a call of the driver, and finds out
     * what was taken. No buffer is volatile from the start of a lease on it until all of it is free again. If the
     * driver refuses, the buffer is freed, with a warning, and the request goes on with other memory.
     *
     * <p>Apple says that discarded contents are invalid, and no more. The pool therefore treats them as it treats new
     * memory: with {@link Zeroing#FRESH} it clears the whole native buffer, also that of a
     * {@link MlxBufferPool.Builder#checked} pool, so that a lease sees zeros, or what an earlier lease of the pool
     * left, but nothing of another process. {@link Zeroing#ALWAYS} clears each lease in any case, and
     * {@link Zeroing#NEVER} clears nothing.
     *
     * <p>As long as the pool has free memory, this wakes a thread of the library each time, also in a pool that is
     * dropped rather than closed and whose idle memory is never freed.
     *
     * <p>A pool with a {@link MlxBufferPool.Builder#residencySet} marks nothing, since its memory is to stay resident.
     * Host memory accepts the state and keeps all contents: Linux swaps them out if it has to.
     *
     * @throws IllegalArgumentException if it is negative
     */
    public void setPurgeableAfter(Duration idle) {
        long nanos = nanos("purgeableAfter", idle);
        engine.adjust(limits -> limits.withOfferIdleNanos(nanos), true);
    }

    /** How long a request waits at most for parked memory. */
    public Duration waitForParked() {
        return Duration.ofNanos(settings().waitNanos());
    }

    /**
     * Sets how long a request waits at most for parked memory.
     *
     * @throws IllegalArgumentException if it is negative
     */
    public void setWaitForParked(Duration wait) {
        long nanos = nanos("waitForParked", wait);
        engine.adjust(limits -> limits.withWaitNanos(nanos), false);
    }

    static long requireNotNegative(String setting, long value) {
        if (value < 0) {
            throw new IllegalArgumentException(setting + " is at least 0, not " + value);
        }
        return value;
    }

    static long nanos(String setting, Duration duration) {
        if (duration.isNegative()) {
            throw new IllegalArgumentException(setting + " is not negative, as " + duration + " is");
        }
        return duration.compareTo(FOREVER) < 0 ? duration.toNanos() : FOREVER.toNanos();
    }

    /** For a debugger: all settings. */
    @Override
    public String toString() {
        LimitSettings limits = settings();
        return "PoolLimits[memoryLimit=" + limits.memoryLimit() + ", cacheLimit=" + limits.cacheLimit()
                + ", bufferLimit=" + limits.bufferLimit() + ", roundToPagesAbove=" + limits.roundToPagesAbove()
                + ", trimIdleAfter=" + Duration.ofNanos(limits.trimIdleNanos()) + ", purgeableAfter="
                + Duration.ofNanos(limits.offerIdleNanos()) + ", waitForParked="
                + Duration.ofNanos(limits.waitNanos()) + "]";
    }
}
