package dev.mlxnative;

import java.util.Arrays;
import java.util.Locale;
import java.util.Set;

/**
 * The type of a buffer's elements: MLX's types, in their little-endian memory form, and the floats of one byte that
 * safetensors files have besides. The library computes with none of them: an element is its bytes.
 */
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
    C64(8),
    /** A float of 4 bits of exponent and 3 of fraction, without infinities. */
    F8_E4M3(1),
    /** A float of 5 bits of exponent and 2 of fraction. */
    F8_E5M2(1),
    /** A power of two: 8 bits of exponent, no sign. The scale of a block of smaller floats. */
    F8_E8M0(1),
    /** As {@link #F8_E4M3}, with another bias, one NaN and no negative zero. */
    F8_E4M3FNUZ(1),
    /** As {@link #F8_E5M2}, with another bias, one NaN, no infinities and no negative zero. */
    F8_E5M2FNUZ(1);

    /** The types of safetensors whose elements do not begin at a byte. */
    private static final Set<String> BELOW_A_BYTE = Set.of("F4", "F6_E2M3", "F6_E3M2");

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
     * <p>The types {@code F4}, {@code F6_E2M3} and {@code F6_E3M2} are refused. They pack elements of 4 or 6 bits,
     * which have no size and no offset in bytes. Such a tensor can be mapped as {@link #U8}, with its bytes as the
     * shape.
     *
     * @throws IllegalArgumentException if no type has the name; the message says so if its elements are below a byte
     */
    public static DType fromSafetensors(String name) {
        for (DType dtype : values()) {
            if (dtype.name().equals(name)) {
                return dtype;
            }
        }
        if (BELOW_A_BYTE.contains(name)) {
            throw new IllegalArgumentException("no dtype for the safetensors name '" + name
                    + "': its elements are packed and smaller than a byte. Use U8, with the bytes as the shape");
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
