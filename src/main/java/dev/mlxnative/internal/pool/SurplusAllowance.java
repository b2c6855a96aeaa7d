package dev.mlxnative.internal.pool;

/**
 * How much more native memory than its leases need a compact pool may hold. The measure is the peak of live bytes: the
 * surplus is at most a share of it, which the user sets.
 *
 * <p>A tight surplus costs native allocations. The price is too high once they are more than 2 % of the requests: at 20
 * µs each that is 0.4 µs for each request, one percent of the time of a program that makes a request every 40 µs. While
 * it is too high, each native allocation raises the allowance by its own size, up to twice the share. What it was
 * raised by stays. Memory that the pool had to ask for again is memory that it should have kept.
 *
 * <p>Not thread-safe; the pool's lock guards it.
 */
final class SurplusAllowance {
    /** One native allocation for each of this number of requests is not too many. */
    private static final int REQUESTS_PER_ALLOCATION = 50;
    /** Native allocations that do not count: a pool has to get its first memory. */
    private static final int FIRST_ALLOCATIONS = 128;

    private final double share;
    private final long least;
    private long liveBytes;
    private long peakLiveBytes;
    private long raisedBytes;
    private long allocations;

    /**
     * @param share of the peak of live bytes, from 0 to 1
     * @param least bytes that are allowed in any case
     */
    SurplusAllowance(double share, long least) {
        this.share = share;
        this.least = least;
    }

    /** A block is leased. */
    void leased(long bytes) {
        liveBytes += bytes;
        peakLiveBytes = Math.max(peakLiveBytes, liveBytes);
    }

    /** A block is no longer leased. */
    void ended(long bytes) {
        liveBytes -= bytes;
    }

    /** Bytes of the leased blocks. */
    long liveBytes() {
        return liveBytes;
    }

    /** The peak of live bytes, if this many more are leased. */
    long peakWith(long bytes) {
        return Math.max(peakLiveBytes, liveBytes + bytes);
    }

    /** Bytes that the pool may hold beyond those of its leases, if this many more are leased. */
    long bytesWith(long bytes) {
        double peak = peakWith(bytes);
        return Math.max(least, (long) Math.min(2 * share * peak, share * peak + raisedBytes));
    }

    /** Bytes that the pool may hold, if this many more are leased. */
    long footprintWith(long bytes) {
        return peakWith(bytes) + bytesWith(bytes);
    }

    /**
     * A native buffer was allocated.
     *
     * @param requests that the pool has had
     */
    void allocated(long capacity, long requests) {
        allocations++;
        boolean isTooOften = allocations > FIRST_ALLOCATIONS + requests / REQUESTS_PER_ALLOCATION;
        if (isTooOften && raisedBytes < share * peakLiveBytes) {
            raisedBytes += capacity;
        }
    }
}
