package dev.mlxnative.internal.pool;

/**
 * The rule that rounds a request up to a bucket: the next power of two or, for a large request, whole pages.
 *
 * @param minimum bytes of the smallest bucket, a power of two
 * @param roundToPagesAbove bytes of the largest request that is rounded to a power of two
 * @param pageSize bytes of a page of this machine
 * @param maximum bytes of the device's largest buffer; no rounding exceeds it
 */
record SizeRounding(long minimum, long roundToPagesAbove, long pageSize, long maximum) {
    /** No block has this capacity. */
    static final long NONE = 0;

    /** A page-rounded request accepts memory that is larger by this part: little waste for much more reuse. */
    private static final int WASTE_PART = 8;

    /** The capacity of new memory for a request, if the pool is not under pressure. */
    long capacity(long byteLength) {
        return byteLength > roundToPagesAbove ? pages(byteLength) : powerOfTwo(byteLength);
    }

    /** The least capacity of new memory for a request: whole pages, or the power of two if that is smaller. */
    long pages(long byteLength) {
        return Math.min(wholePages(byteLength, pageSize), powerOfTwo(byteLength));
    }

    /** Rounds up to a multiple of a page size, but not above the largest buffer. */
    long wholePages(long byteLength, long page) {
        long pages = (byteLength - 1) / page + 1;
        return pages > maximum / page ? maximum : pages * page;
    }

    /**
     * The largest capacity of cached memory that may serve a request: without pressure at most its power of two.
     *
     * @param capacity the capacity of new memory for the request
     * @param underPressure whether no request is rounded to a power of two
     */
    long largest(long byteLength, long capacity, boolean underPressure) {
        if (underPressure) {
            return Math.min(capacity + capacity / WASTE_PART, maximum);
        }
        return byteLength > roundToPagesAbove
                ? Math.min(capacity + capacity / WASTE_PART, powerOfTwo(byteLength))
                : capacity;
    }

    /**
     * The capacity of a block in a shard's cache that serves a request, or {@link #NONE}: shards cache powers of two
     * alone.
     */
    long cachedCapacity(long byteLength, boolean underPressure) {
        long capacity = capacity(byteLength);
        boolean isTooLarge = underPressure && capacity > largest(byteLength, pages(byteLength), true);
        return isTooLarge || isPageRounded(capacity) ? NONE : capacity;
    }

    /** Whether a bucket is no power of two, so that requests of several lengths can share its memory. */
    static boolean isPageRounded(long bucket) {
        return Long.bitCount(bucket) != 1;
    }

    /** The same rule with another border between powers of two and pages. */
    SizeRounding withRoundToPagesAbove(long bytes) {
        return new SizeRounding(minimum, bytes, pageSize, maximum);
    }

    private long powerOfTwo(long byteLength) {
        long powerOfTwo = byteLength == 1 ? 1 : Long.highestOneBit(byteLength - 1) << 1;
        return Math.min(Math.max(powerOfTwo, minimum), maximum);
    }
}
