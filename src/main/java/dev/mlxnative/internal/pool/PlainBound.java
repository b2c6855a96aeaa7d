package dev.mlxnative.internal.pool;

/**
 * How much native memory plain powers of two would hold: free lists that round every request to its power of two and
 * free nothing. They hold the most leases that there ever were at once in each power of two. Not thread-safe; the
 * pool's lock guards it.
 *
 * <p>As there are never more leases than that, unused memory is all that can exceed the bound. Unused memory that keeps
 * within the bound may go too, if it is more than was ever leased at once: as often as the requests pay for it.
 */
final class PlainBound {
    /**
     * The requests that pay for one eviction within the bound. To allocate the memory again costs some 20 µs: spread
     * over so many requests, that is about 40 ns for each, the price of a hit, and lowers the hit rate by a
     * five-hundredth.
     */
    static final int REQUESTS_PER_EVICTION = 512;

    private final int[] leases = new int[Long.SIZE];
    private final int[] peakLeases = new int[Long.SIZE];
    private long leasedBytes;
    private long peakLeasedBytes;
    private long plainBytes;
    private long nativeBytes;
    private long paidEvictions;

    /** Counts the lease of a native buffer. */
    void begin(long capacity) {
        int index = index(capacity);
        leases[index]++;
        if (leases[index] > peakLeases[index]) {
            peakLeases[index]++;
            plainBytes += 1L << index;
        }
        leasedBytes += capacity;
        peakLeasedBytes = Math.max(peakLeasedBytes, leasedBytes);
    }

    /** Counts the end of a lease. */
    void end(long capacity) {
        leases[index(capacity)]--;
        leasedBytes -= capacity;
    }

    /** A native buffer is held from here on. */
    void added(long capacity) {
        nativeBytes += capacity;
    }

    /** A native buffer is no longer held. */
    void removed(long capacity) {
        nativeBytes -= capacity;
    }

    /** Whether unused memory has to go before a native buffer of this capacity comes, after so many requests. */
    boolean isExceededWith(long capacity, long requests) {
        return exceedsPlain(capacity) || (exceedsPeak(capacity) && paidEvictions < requests / REQUESTS_PER_EVICTION);
    }

    private boolean exceedsPlain(long capacity) {
        int index = index(capacity);
        long plainWith = leases[index] < peakLeases[index] ? plainBytes : plainBytes + (1L << index);
        return nativeBytes + capacity > plainWith;
    }

    private boolean exceedsPeak(long capacity) {
        return nativeBytes + capacity > Math.max(peakLeasedBytes, leasedBytes + capacity);
    }

    /** Memory is about to go before a native buffer of this capacity comes. */
    void evicting(long capacity) {
        if (!exceedsPlain(capacity)) {
            paidEvictions++;
        }
    }

    private static int index(long capacity) {
        return Long.SIZE - Long.numberOfLeadingZeros(capacity - 1);
    }
}
