package dev.mlxnative;

/**
 * A size in three dimensions: of a grid of threads, or of a threadgroup. Any values may be held; the call that uses the
 * size checks them.
 */
public record MlxSize(long width, long height, long depth) {
    /** A size in one dimension: height and depth are 1. */
    public static MlxSize of(long width) {
        return new MlxSize(width, 1, 1);
    }

    /** A size in two dimensions: the depth is 1. */
    public static MlxSize of(long width, long height) {
        return new MlxSize(width, height, 1);
    }

    /** A size in three dimensions. */
    public static MlxSize of(long width, long height, long depth) {
        return new MlxSize(width, height, depth);
    }

    /** For messages: {@code 4 x 2 x 1}. */
    @Override
    public String toString() {
        return width + " x " + height + " x " + depth;
    }
}
