package dev.mlxnative;

import org.jspecify.annotations.Nullable;

/** What a buffer was asked for: its bytes, and the elements that they hold. Immutable. */
final class Layout {
    private final long byteLength;
    private final DType dtype;
    private final long[] dimensions;

    private Layout(long byteLength, DType dtype, long[] dimensions) {
        this.byteLength = byteLength;
        this.dtype = dtype;
        this.dimensions = dimensions;
    }

    /**
     * Bytes that hold a shape, and maybe more.
     *
     * @param shape copied first: nobody can change it between the check and its use
     * @throws IllegalArgumentException if the shape is wrong, or its elements do not fit the bytes
     */
    static Layout of(long byteLength, DType dtype, long... shape) {
        long[] dimensions = shape.clone();
        Shapes.requireFits(byteLength, dtype, dimensions);
        return new Layout(byteLength, dtype, dimensions);
    }

    /**
     * Just the bytes of a shape.
     *
     * @throws IllegalArgumentException if the shape is wrong
     */
    static Layout of(DType dtype, long... shape) {
        long[] dimensions = shape.clone();
        return new Layout(Shapes.byteLength(dtype, dimensions), dtype, dimensions);
    }

    long byteLength() {
        return byteLength;
    }

    DType dtype() {
        return dtype;
    }

    /** A copy. */
    long[] shape() {
        return dimensions.clone();
    }

    long elementCount() {
        return Shapes.elementCount(dimensions);
    }

    /** As people write it: {@code f32[2, 3]}. */
    @Override
    public String toString() {
        return Shapes.describe(dtype, dimensions);
    }

    /**
     * Layouts that were asked for lately: a step asks for those of the step before. Thread-safe without a lock, since
     * an entry that is lost to a race costs its maker another object and nobody anything else.
     */
    static final class Recent {
        private static final int SIZE = 256;
        private static final int HASH_SHIFT = Long.SIZE - 8;

        private final @Nullable Layout[] layouts = new Layout[SIZE];

        /** The layout, if it was asked for lately; what it says has been checked then. */
        @Nullable
        Layout find(long byteLength, DType dtype, long[] shape) {
            Layout known = layouts[slot(byteLength, shape)];
            return known != null && known.is(byteLength, dtype, shape) ? known : null;
        }

        void add(Layout layout) {
            layouts[slot(layout.byteLength, layout.dimensions)] = layout;
        }

        private static int slot(long byteLength, long[] shape) {
            long hash = byteLength;
            for (long dimension : shape) {
                hash = hash * 31 + dimension;
            }
            hash *= 0x9E3779B97F4A7C15L;
            return (int) (hash >>> HASH_SHIFT);
        }
    }

    private boolean is(long byteLength, DType dtype, long[] shape) {
        if (this.byteLength != byteLength || this.dtype != dtype || dimensions.length != shape.length) {
            return false;
        }
        for (int i = 0; i < shape.length; i++) {
            if (dimensions[i] != shape[i]) {
                return false;
            }
        }
        return true;
    }
}
