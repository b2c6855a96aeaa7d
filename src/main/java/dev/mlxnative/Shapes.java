package dev.mlxnative;

import java.util.Arrays;

/** Arithmetic of shapes, with every way in which a shape can be wrong. */
final class Shapes {
    private Shapes() {}

    /**
     * The number of elements; 1 for an empty shape, a scalar.
     *
     * @throws IllegalArgumentException if a dimension is below 1 or the product does not fit a {@code long}
     */
    static long elementCount(long... shape) {
        long count = 1;
        for (long dimension : shape) {
            if (dimension < 1) {
                throw new IllegalArgumentException(
                        "a dimension must be at least 1, but the shape is " + Arrays.toString(shape));
            }
            if (Math.multiplyHigh(count, dimension) != 0 || count * dimension < 0) {
                throw new IllegalArgumentException(
                        "the elements of shape " + Arrays.toString(shape) + " are more than a long can count");
            }
            count *= dimension;
        }
        return count;
    }

    /**
     * The bytes of a shape's elements.
     *
     * @throws IllegalArgumentException as {@link #elementCount}, or if the bytes do not fit a {@code long}
     */
    static long byteLength(DType dtype, long... shape) {
        long count = elementCount(shape);
        if (count > Long.MAX_VALUE / dtype.byteSize()) {
            throw new IllegalArgumentException(
                    "the bytes of " + describe(dtype, shape) + " are more than a long can count");
        }
        return count * dtype.byteSize();
    }

    /**
     * Checks that a shape's elements fit into {@code byteLength} bytes.
     *
     * @throws IllegalArgumentException if they do not, or the shape is wrong in itself
     */
    static void requireFits(long byteLength, DType dtype, long... shape) {
        long needed = byteLength(dtype, shape);
        if (needed > byteLength) {
            throw new IllegalArgumentException(
                    describe(dtype, shape) + " takes " + needed + " bytes, but there are " + byteLength);
        }
    }

    /** A shape as people write it: {@code f32[2, 3]}. */
    static String describe(DType dtype, long... shape) {
        return dtype + Arrays.toString(shape);
    }
}
