package dev.mlxnative.internal.device;

import dev.mlxnative.DType;
import org.jspecify.annotations.Nullable;

/** The request for a buffer: its bytes, and the type and shape of the elements in them. Immutable. */
public final class BufferSpec {
    private final long byteLength;
    private final DType dtype;
    private final long[] dimensions;

    private BufferSpec(long byteLength, DType dtype, long[] dimensions) {
        this.byteLength = byteLength;
        this.dtype = dtype;
        this.dimensions = dimensions;
    }

    /**
     * A request for at least the bytes of a shape.
     *
     * @param byteLength at least 0
     * @param shape copied before it is checked, so that a caller cannot change it in between
     * @throws IllegalArgumentException if the shape is invalid, or its elements do not fit the bytes
     */
    public static BufferSpec of(long byteLength, DType dtype, long... shape) {
        long[] dimensions = shape.clone();
        Shapes.requireFits(byteLength, dtype, dimensions);
        return new BufferSpec(byteLength, dtype, dimensions);
    }

    /**
     * A request for exactly the bytes of a shape.
     *
     * @throws IllegalArgumentException if the shape is invalid
     */
    public static BufferSpec of(DType dtype, long... shape) {
        long[] dimensions = shape.clone();
        return new BufferSpec(Shapes.byteLength(dtype, dimensions), dtype, dimensions);
    }

    /** Bytes that were requested; 0 only if a dimension is 0. */
    public long byteLength() {
        return byteLength;
    }

    /** Bytes of memory that the request takes: no native buffer has fewer than 1. */
    public long memoryBytes() {
        return Math.max(1, byteLength);
    }

    /** The type of the elements. */
    public DType dtype() {
        return dtype;
    }

    /** The dimensions; a new copy with each call. */
    public long[] shape() {
        return dimensions.clone();
    }

    /** The product of the dimensions. */
    public long elementCount() {
        return Shapes.elementCount(dimensions);
    }

    /** Type and shape: {@code f32[2, 3]}. */
    @Override
    public String toString() {
        return Shapes.describe(dtype, dimensions);
    }

    /**
     * A cache of requests that were checked before: a step requests what the step before requested. Thread-safe without
     * a lock, because an entry that a race loses is only created again.
     */
    public static final class Cache {
        private static final int SIZE = 256;
        private static final int HASH_SHIFT = Long.SIZE - 8;

        private final @Nullable BufferSpec[] specs = new BufferSpec[SIZE];

        /** The request, if the cache has it; null otherwise. */
        public @Nullable BufferSpec find(long byteLength, DType dtype, long[] shape) {
            BufferSpec known = specs[slot(byteLength, shape)];
            return known != null && known.is(byteLength, dtype, shape) ? known : null;
        }

        /** Adds a request, which may replace another one. */
        public void add(BufferSpec spec) {
            specs[slot(spec.byteLength, spec.dimensions)] = spec;
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
