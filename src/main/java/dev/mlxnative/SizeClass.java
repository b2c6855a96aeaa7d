package dev.mlxnative;

/** Parts of the octaves between powers of two: capacities that are near each other have the same. */
final class SizeClass {
    static final int PARTS_OF_AN_OCTAVE = 8;
    static final int COUNT = Long.SIZE * PARTS_OF_AN_OCTAVE;

    /** What is to the right of a number's first bit and the three after it. */
    private static final int TOP_BITS = Long.SIZE - 4;

    private SizeClass() {}

    /** Grows with the capacity; that of a power of two is shared by what is up to an eighth larger. */
    static int of(long capacity) {
        int zeros = Long.numberOfLeadingZeros(capacity);
        int octave = Long.SIZE - 1 - zeros;
        int part = (int) ((capacity << zeros) >>> TOP_BITS) & (PARTS_OF_AN_OCTAVE - 1);
        return octave * PARTS_OF_AN_OCTAVE + part;
    }
}
