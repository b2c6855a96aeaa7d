package dev.mlxnative;

/**
 * What a pool may have of the device's memory, and what it has: from before a native buffer is created until after it
 * is gone, whatever it is used for in between. Not thread-safe.
 */
final class Budget {
    private long memoryLimit;
    private long cacheLimit;
    private long bufferLimit;

    private long bytes;
    private long count;
    /** The part that is on its way back to the device. */
    private long leavingBytes;

    private long leavingCount;

    Budget(long memoryLimit, long cacheLimit, long bufferLimit) {
        this.memoryLimit = memoryLimit;
        this.cacheLimit = cacheLimit;
        this.bufferLimit = bufferLimit;
    }

    long memoryLimit() {
        return memoryLimit;
    }

    void memoryLimit(long bytes) {
        memoryLimit = bytes;
    }

    long cacheLimit() {
        return cacheLimit;
    }

    void cacheLimit(long bytes) {
        cacheLimit = bytes;
    }

    long bufferLimit() {
        return bufferLimit;
    }

    void bufferLimit(long buffers) {
        bufferLimit = buffers;
    }

    /**
     * Whether leases of so many bytes leave too little for rounding requests to powers of two. Those up to half of the
     * limit waste no more than half of that, and the later ones an eighth, so that a limit of 1.5 times what is live
     * serves every request: 1/2 limit + 9/8 (live - 1/4 limit) is then less than the limit.
     */
    boolean isTight(long activeBytes) {
        return activeBytes > memoryLimit / 2;
    }

    /** Whether a buffer of this capacity may be created. */
    boolean admits(long capacity) {
        return capacity <= memoryLimit - bytes && count < bufferLimit;
    }

    /** Whether it may be once what is leaving is gone, and that much more with it. */
    boolean admitsWithout(long goneBytes, long goneCount, long capacity) {
        return capacity <= memoryLimit - (bytes - leavingBytes - goneBytes)
                && count - leavingCount - goneCount < bufferLimit;
    }

    /** Whether there is more than the limits allow, even once what is leaving is gone. */
    boolean isExceeded() {
        return bytes - leavingBytes > memoryLimit || count - leavingCount > bufferLimit;
    }

    /** Whether it is the number of buffers that allows no more, even if so many of them were gone. */
    boolean isFull(long goneCount) {
        return count - leavingCount - goneCount >= bufferLimit;
    }

    /** What is on its way back to the device. */
    long leavingBytes() {
        return leavingBytes;
    }

    /** A buffer is about to be created. */
    void add(long capacity) {
        bytes += capacity;
        count++;
    }

    /** A buffer that was added was not created after all, or is gone. */
    void remove(long capacity) {
        bytes -= capacity;
        count--;
    }

    /** A buffer is about to be given back. */
    void leaving(long capacity) {
        leavingBytes += capacity;
        leavingCount++;
    }

    /** A buffer that was leaving is gone. */
    void gone(long capacity) {
        leavingBytes -= capacity;
        leavingCount--;
        remove(capacity);
    }
}
