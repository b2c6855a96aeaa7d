package dev.mlxnative.internal.device;

import dev.mlxnative.DType;
import java.util.Arrays;

/** Arithmetic of shapes, which detects every invalid shape. */
public final class Shapes {
    private Shapes() {}

    /**
     * The number of elements: 1 for a shape without dimensions, a scalar; 0 if a dimension is 0, whatever the others.
     *
     * @throws IllegalArgumentException if a dimension is negative or the product does not fit a {@code long}
     */
    public static long elementCount(long... shape) {
        boolean empty = false;
        for (long dimension : shape) {
            if (dimension < 0) {
                throw new IllegalArgumentException(
                        "a dimension must be at least 0, but the shape is " + Arrays.toString(shape));
            }
            empty |= dimension == 0;
        }
        return empty ? 0 : product(shape);
    }

    private static long product(long[] shape) {
        long count = 1;
        for (long dimension : shape) {
            if (Math.multiplyHigh(count, dimension) != 0 || count * dimension < 0) {
                throw new IllegalArgumentException(
                        "the elements of shape " + Arrays.toString(shape) + " are more than a long can count");
            }
            count *= dimension;
        }
        return count;
    }

    /**
     * Bytes of a shape's elements.
     *
     * @throws IllegalArgumentException as {@link #elementCount}, or if the bytes do not fit a {@code long}
     */
    public static long byteLength(DType dtype, long... shape) {
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
     * @throws IllegalArgumentException if they do not, or the shape is invalid
     */
    public static void requireFits(long byteLength, DType dtype, long... shape) {
        long needed = byteLength(dtype, shape);
        if (needed > byteLength) {
            throw new IllegalArgumentException(
                    describe(dtype, shape) + " takes " + needed + " bytes, but there are " + byteLength);
        }
    }

    /** The notation of a shape: {@code f32[2, 3]}. */
    public static String describe(DType dtype, long... shape) {
        return dtype + Arrays.toString(shape);
    }
}
