package dev.mlxnative.internal.pool;

/**
 * The settings of a pool that may change while it is used. Immutable; a change makes a new value.
 *
 * @param memoryLimit bytes of native memory that may be alive
 * @param cacheLimit bytes of free memory that the pool keeps
 * @param bufferLimit native buffers that may be alive
 * @param roundToPagesAbove bytes of the largest request that is rounded to a power of two
 * @param trimIdleNanos nanoseconds after which unused free memory is freed; 0 for never
 * @param offerIdleNanos nanoseconds after which the contents of unused free memory are offered to the system; 0 for
 *     never
 * @param waitNanos nanoseconds that a request waits at most for parked memory
 */
public record LimitSettings(
        long memoryLimit,
        long cacheLimit,
        long bufferLimit,
        long roundToPagesAbove,
        long trimIdleNanos,
        long offerIdleNanos,
        long waitNanos) {

    /** The same with another memory limit. */
    public LimitSettings withMemoryLimit(long bytes) {
        return new LimitSettings(
                bytes, cacheLimit, bufferLimit, roundToPagesAbove, trimIdleNanos, offerIdleNanos, waitNanos);
    }

    /** The same with another cache limit. */
    public LimitSettings withCacheLimit(long bytes) {
        return new LimitSettings(
                memoryLimit, bytes, bufferLimit, roundToPagesAbove, trimIdleNanos, offerIdleNanos, waitNanos);
    }

    /** The same with another limit on the number of buffers. */
    public LimitSettings withBufferLimit(long buffers) {
        return new LimitSettings(
                memoryLimit, cacheLimit, buffers, roundToPagesAbove, trimIdleNanos, offerIdleNanos, waitNanos);
    }

    /** The same with another border between powers of two and pages. */
    public LimitSettings withRoundToPagesAbove(long bytes) {
        return new LimitSettings(memoryLimit, cacheLimit, bufferLimit, bytes, trimIdleNanos, offerIdleNanos, waitNanos);
    }

    /** The same with another idle time. */
    public LimitSettings withTrimIdleNanos(long nanos) {
        return new LimitSettings(
                memoryLimit, cacheLimit, bufferLimit, roundToPagesAbove, nanos, offerIdleNanos, waitNanos);
    }

    /** The same with another time after which idle memory is offered. */
    public LimitSettings withOfferIdleNanos(long nanos) {
        return new LimitSettings(
                memoryLimit, cacheLimit, bufferLimit, roundToPagesAbove, trimIdleNanos, nanos, waitNanos);
    }

    /** The same with another waiting time. */
    public LimitSettings withWaitNanos(long nanos) {
        return new LimitSettings(
                memoryLimit, cacheLimit, bufferLimit, roundToPagesAbove, trimIdleNanos, offerIdleNanos, nanos);
    }
}
