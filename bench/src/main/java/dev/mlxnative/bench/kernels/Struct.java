package dev.mlxnative.bench.kernels;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The bytes of a C structure or array: each field is aligned to its size, and the end to the largest. */
final class Struct {

    private static final int CAPACITY = 512;

    private final ByteBuffer bytes = ByteBuffer.allocate(CAPACITY).order(ByteOrder.LITTLE_ENDIAN);
    private int alignment = 1;

    Struct ints(int... values) {
        for (int value : values) {
            align(Integer.BYTES).putInt(value);
        }
        return this;
    }

    Struct longs(long... values) {
        for (long value : values) {
            align(Long.BYTES).putLong(value);
        }
        return this;
    }

    Struct floats(double... values) {
        for (double value : values) {
            align(Float.BYTES).putFloat((float) value);
        }
        return this;
    }

    Struct shorts(int... values) {
        for (int value : values) {
            align(Short.BYTES).putShort((short) value);
        }
        return this;
    }

    Struct bools(boolean... values) {
        for (boolean value : values) {
            bytes.put((byte) (value ? 1 : 0));
        }
        return this;
    }

    MemorySegment segment() {
        align(alignment);
        return MemorySegment.ofArray(bytes.array()).asSlice(0, bytes.position());
    }

    private ByteBuffer align(int size) {
        alignment = Math.max(alignment, size);
        return bytes.position((bytes.position() + size - 1) / size * size);
    }
}
