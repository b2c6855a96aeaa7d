package dev.mlxnative;

/** How a pool sizes the native buffers that it takes from the device. */
public enum Sizing {
    /**
     * One native buffer for each lease, of the next power of two. The fastest, and with the least to go wrong; holds
     * about twice the bytes that are live at once where sizes repeat, and up to four times where they vary.
     */
    POWER_OF_TWO,
    /**
     * Leases of just what was asked for, rounded to 256 bytes, cut from few large native buffers:
     * {@link MlxBuffer#handleOffset} is then more than 0. Holds little more than the bytes that are live at once; a
     * lease costs several times as much. A native buffer goes back to the device when all of it is free, and a label
     * names all of it. {@link MlxBufferPool.Builder#minBucketBytes} and {@link MlxBufferPool.Builder#roundToPagesAbove}
     * have no effect.
     */
    COMPACT
}
