package dev.mlxnative;

/** How a pool sizes its native buffers. */
public enum Sizing {
    /**
     * Leases of the next power of two: a native buffer for each or, below a page, a part of a page that leases of one
     * size share, so that {@link MlxBuffer#handleOffset} may be more than 0. The fastest. Holds about twice the bytes
     * that are live at once if sizes repeat, and up to four times if they vary: at most what a free list for each power
     * of two would hold. Unused memory above that goes before the device is asked for more, and so does, once in 512
     * requests at most, memory above the most that was ever leased at once.
     */
    POWER_OF_TWO,
    /**
     * Leases of the requested size, rounded to 256 bytes, cut from native buffers that others may share:
     * {@link MlxBuffer#handleOffset} may be more than 0. Holds little more than the most bytes that were live at once,
     * for sizes that vary too: {@link MlxBufferPool.Builder#surplus} says how much. It frees memory and asks for it
     * again where sizes vary, about one request in a hundred; a lease costs more than one of the other kind. A native
     * buffer is freed only when all of it is free, and a label names all of it.
     * {@link MlxBufferPool.Builder#minBucketBytes} and {@link MlxBufferPool.Builder#roundToPagesAbove} have no effect.
     */
    COMPACT
}
