package dev.mlxnative;

/**
 * What a request is rounded up to.
 *
 * @param minimum the smallest bucket, a power of two, in bytes
 * @param roundToPagesAbove the largest request that gets a power of two
 * @param pageSize the machine's
 * @param maximum the device's largest buffer, which no rounding exceeds
 */
record Buckets(long minimum, long roundToPagesAbove, long pageSize, long maximum) {
    /** Free memory of another size than asked for may be this part larger: a little waste for a lot more reuse. */
    private static final int WASTE = 8;

    /** The capacity that a new buffer for a request of this length should have, where memory is not scarce. */
    long capacity(long byteLength) {
        return byteLength > roundToPagesAbove ? pages(byteLength) : powerOfTwo(byteLength);
    }

    /** The smallest capacity that a new buffer for a request of this length can sensibly have. */
    long pages(long byteLength) {
        long pages = (byteLength - 1) / pageSize + 1;
        return pages > maximum / pageSize ? maximum : Math.min(pages * pageSize, powerOfTwo(byteLength));
    }

    /**
     * The largest capacity of free memory that may serve a request of this length.
     *
     * @param capacity what a new buffer for it should have
     * @param tight whether memory is so scarce that no request is rounded to a power of two
     */
    long largest(long byteLength, long capacity, boolean tight) {
        return tight || byteLength > roundToPagesAbove ? Math.min(capacity + capacity / WASTE, maximum) : capacity;
    }

    /** The same but for the largest request that gets a power of two. */
    Buckets roundingToPagesAbove(long bytes) {
        return new Buckets(minimum, bytes, pageSize, maximum);
    }

    private long powerOfTwo(long byteLength) {
        long powerOfTwo = byteLength == 1 ? 1 : Long.highestOneBit(byteLength - 1) << 1;
        return Math.min(Math.max(powerOfTwo, minimum), maximum);
    }
}
