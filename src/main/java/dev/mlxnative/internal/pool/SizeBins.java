package dev.mlxnative.internal.pool;

/** Numbers the size bins: eight between one power of two and the next. Near capacities share a bin. */
final class SizeBins {
    private static final int BINS_PER_OCTAVE = 8;
    /** The number of bins. */
    static final int COUNT = Long.SIZE * BINS_PER_OCTAVE;

    /** Shifts a number so that its leading bit and the three bits after it remain. */
    private static final int TOP_BITS = Long.SIZE - 4;

    private SizeBins() {}

    /**
     * The bin of a capacity; it grows with the capacity. The bin of a power of two holds all capacities that are less
     * than an eighth larger.
     */
    static int of(long capacity) {
        int zeros = Long.numberOfLeadingZeros(capacity);
        int octave = Long.SIZE - 1 - zeros;
        int bin = (int) ((capacity << zeros) >>> TOP_BITS) & (BINS_PER_OCTAVE - 1);
        return octave * BINS_PER_OCTAVE + bin;
    }
}
