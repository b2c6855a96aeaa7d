package dev.mlxnative.internal.pool;

/**
 * The leases of native buffers by the power of two that each is rounded to, and the most that there ever were at once:
 * so many buffers would a pool hold that rounds to powers of two alone and frees nothing. Not thread-safe; the pool's
 * lock guards it.
 */
final class LeaseClasses {
    private final int[] leases = new int[Long.SIZE];
    private final int[] peakLeases = new int[Long.SIZE];
    private long leasedBytes;
    private long peakLeasedBytes;
    private long plainBytes;

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

    /** Bytes that plain powers of two would hold once a buffer of this capacity is leased too. */
    long plainBytesWith(long capacity) {
        int index = index(capacity);
        return leases[index] < peakLeases[index] ? plainBytes : plainBytes + (1L << index);
    }

    /** The most bytes that were leased at once, or are once a buffer of this capacity is leased too. */
    long peakLeasedBytesWith(long capacity) {
        return Math.max(peakLeasedBytes, leasedBytes + capacity);
    }

    private static int index(long capacity) {
        return Long.SIZE - Long.numberOfLeadingZeros(capacity - 1);
    }
}
