package dev.mlxnative.internal.pool;

/**
 * The native memory of a pool beside its limits. A native buffer counts from before it is created until after it is
 * freed, whatever it is used for in between. Not thread-safe; the pool's lock guards it.
 *
 * <p>Invariant: {@code bytes ≤ memoryLimit} and {@code count ≤ bufferLimit}, except while a limit that was lowered is
 * being restored.
 */
final class MemoryBudget {
    private LimitSettings limits;
    private long bytes;
    private long count;
    /** The part of {@link #bytes} that is being freed. */
    private long freeingBytes;

    private long freeingCount;

    MemoryBudget(LimitSettings limits) {
        this.limits = limits;
    }

    LimitSettings limits() {
        return limits;
    }

    void setLimits(LimitSettings limits) {
        this.limits = limits;
    }

    /**
     * Whether leases of this many bytes leave too little memory for rounding requests to powers of two: more than half
     * of the limit.
     *
     * <p>Then {@code memoryLimit = 1.5 × peak live bytes} is enough for every request. Leases up to half of the limit
     * waste at most half of it, later ones at most an eighth of their size: {@code limit / 2 + 9/8 × (live - limit / 4)
     * < limit}.
     */
    boolean isUnderPressure(long leasedBytes) {
        return leasedBytes > limits.memoryLimit() / 2;
    }

    /** Counts a native buffer that is about to be created, if the limits allow it; returns whether they do. */
    boolean reserve(long capacity) {
        boolean fits = capacity <= limits.memoryLimit() - bytes && count < limits.bufferLimit();
        if (fits) {
            bytes += capacity;
            count++;
        }
        return fits;
    }

    /** Whether the limits would allow a buffer once all memory that is being freed, and this much more, is freed. */
    boolean fitsWithout(long evictedBytes, long evictedCount, long capacity) {
        return capacity <= limits.memoryLimit() - (bytes - freeingBytes - evictedBytes)
                && count - freeingCount - evictedCount < limits.bufferLimit();
    }

    /** The limit that denies a request for which {@link #fitsWithout} is false. */
    DenialCause denialCause(long evictedCount) {
        return count - freeingCount - evictedCount >= limits.bufferLimit()
                ? DenialCause.BUFFER_LIMIT
                : DenialCause.MEMORY_LIMIT;
    }

    /** Whether more memory is alive than the limits allow, that being freed not counted. */
    boolean isExceeded() {
        return bytes - freeingBytes > limits.memoryLimit() || count - freeingCount > limits.bufferLimit();
    }

    /** Bytes that are being freed. */
    long freeingBytes() {
        return freeingBytes;
    }

    /** A buffer that was reserved is not created. */
    void cancel(long capacity) {
        bytes -= capacity;
        count--;
    }

    /** A buffer is about to be freed. */
    void freeing(long capacity) {
        freeingBytes += capacity;
        freeingCount++;
    }

    /** A buffer has been freed. */
    void freed(long capacity) {
        freeingBytes -= capacity;
        freeingCount--;
        cancel(capacity);
    }
}
