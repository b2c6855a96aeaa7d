package dev.mlxnative.bench.kernels;

import dev.mlxnative.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/** Inputs of kernels, and their conversion to and from the bytes of each type. */
final class Numbers {

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;

    private Numbers() {}

    /** Numbers from -1 to 1 that a type represents exactly, the same for the same seed. */
    static double[] random(DType type, int count, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        double[] numbers = new double[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = round(type, 2 * random.nextDouble() - 1);
        }
        return numbers;
    }

    /** The nearest number of a type. */
    static double round(DType type, double number) {
        return switch (type) {
            case F32 -> (float) number;
            case F16 -> Float.float16ToFloat(Float.floatToFloat16((float) number));
            case BF16 -> Float.intBitsToFloat(bfloat((float) number) << 16);
            default -> Math.rint(number);
        };
    }

    static void write(DType type, double[] numbers, MemorySegment segment) {
        for (int i = 0; i < numbers.length; i++) {
            switch (type) {
                case F32 -> segment.set(FLOAT, 4L * i, (float) numbers[i]);
                case F16 -> segment.set(SHORT, 2L * i, Float.floatToFloat16((float) numbers[i]));
                case BF16 -> segment.set(SHORT, 2L * i, (short) bfloat((float) numbers[i]));
                case I32, U32 -> segment.set(INT, 4L * i, (int) (long) numbers[i]);
                default -> throw new IllegalArgumentException("no numbers of type " + type);
            }
        }
    }

    static double[] read(DType type, MemorySegment segment, int count) {
        double[] numbers = new double[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = switch (type) {
                case F32 -> segment.get(FLOAT, 4L * i);
                case F16 -> Float.float16ToFloat(segment.get(SHORT, 2L * i));
                case BF16 -> Float.intBitsToFloat(segment.get(SHORT, 2L * i) << 16);
                case I32 -> segment.get(INT, 4L * i);
                case U32 -> Integer.toUnsignedLong(segment.get(INT, 4L * i));
                default -> throw new IllegalArgumentException("no numbers of type " + type);
            };
        }
        return numbers;
    }

    /** Rounds to the nearest, ties to even. */
    private static int bfloat(float number) {
        int bits = Float.floatToIntBits(number);
        return bits + 0x7FFF + (bits >>> 16 & 1) >>> 16;
    }
}
