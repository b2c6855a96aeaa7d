package dev.mlxnative;

import java.util.Arrays;
import java.util.Locale;

/** The type of a buffer's elements: MLX's types, in their little-endian memory form. */
public enum DType {
    /** IEEE 754 single precision. */
    F32(4),
    /** IEEE 754 half precision. */
    F16(2),
    /** The upper half of a single: 8 bits of exponent, 7 of fraction. */
    BF16(2),
    /** Unsigned 8-bit integer. */
    U8(1),
    /** Unsigned 16-bit integer. */
    U16(2),
    /** Unsigned 32-bit integer. */
    U32(4),
    /** Signed 32-bit integer. */
    I32(4),
    /** One byte, 0 or 1. */
    BOOL(1),
    /** Signed 8-bit integer. */
    I8(1),
    /** Signed 16-bit integer. */
    I16(2),
    /** Signed 64-bit integer. */
    I64(8),
    /** Unsigned 64-bit integer. */
    U64(8),
    /** IEEE 754 double precision, for the CPU alone: Metal's shading language has no such type. */
    F64(8),
    /** A complex number: two singles, real part first. */
    C64(8);

    private final int byteSize;
    private final String lowerCase = name().toLowerCase(Locale.ROOT);

    DType(int byteSize) {
        this.byteSize = byteSize;
    }

    /** Bytes of one element. */
    public int byteSize() {
        return byteSize;
    }

    /**
     * The type of a tensor in a safetensors file, as the {@code dtype} of its header names it: {@code "BF16"}.
     *
     * @throws IllegalArgumentException if no type has the name; the format also has floats of 8 bits and less, which
     *     MLX does not have
     */
    public static DType fromSafetensors(String name) {
        for (DType dtype : values()) {
            if (dtype.name().equals(name)) {
                return dtype;
            }
        }
        throw new IllegalArgumentException(
                "no dtype for the safetensors name '" + name + "': it is none of " + namesInSafetensors());
    }

    private static String namesInSafetensors() {
        return String.join(", ", Arrays.stream(values()).map(Enum::name).toList());
    }

    /** The name in lower case: {@code "f32"}. */
    @Override
    public String toString() {
        return lowerCase;
    }
}
