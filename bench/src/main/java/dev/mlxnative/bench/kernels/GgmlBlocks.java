package dev.mlxnative.bench.kernels;

import dev.mlxnative.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.SplittableRandom;

/**
 * Weights in ggml's blocks of 32 elements with a scale in half precision, of random bits.
 *
 * @param values the numbers that the bytes stand for
 */
record GgmlBlocks(byte[] bytes, double[] values) {

    static final int Q4_0_BYTES = 18;
    static final int Q8_0_BYTES = 34;
    static final int ELEMENTS = 32;

    /** 4 bits an element: the first half of a block is in the lower bits of its bytes, the second in the upper ones. */
    static GgmlBlocks q4(int count) {
        ByteBuffer bytes = ByteBuffer.allocate(count / ELEMENTS * Q4_0_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        double[] values = new double[count];
        SplittableRandom random = new SplittableRandom(1);
        for (int block = 0; block < count; block += ELEMENTS) {
            double scale = putScale(bytes, random, 8);
            for (int i = 0; i < ELEMENTS / 2; i++) {
                int bits = random.nextInt(256);
                bytes.put((byte) bits);
                values[block + i] = ((bits & 0xF) - 8) * scale;
                values[block + i + ELEMENTS / 2] = ((bits >> 4) - 8) * scale;
            }
        }
        return new GgmlBlocks(bytes.array(), values);
    }

    /** 8 bits an element. */
    static GgmlBlocks q8(int count) {
        ByteBuffer bytes = ByteBuffer.allocate(count / ELEMENTS * Q8_0_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        double[] values = new double[count];
        SplittableRandom random = new SplittableRandom(1);
        for (int block = 0; block < count; block += ELEMENTS) {
            double scale = putScale(bytes, random, 128);
            for (int i = 0; i < ELEMENTS; i++) {
                byte bits = (byte) random.nextInt(256);
                bytes.put(bits);
                values[block + i] = bits * scale;
            }
        }
        return new GgmlBlocks(bytes.array(), values);
    }

    private static double putScale(ByteBuffer bytes, SplittableRandom random, int largest) {
        double scale = Numbers.round(DType.F16, (random.nextDouble() + 0.5) / largest);
        bytes.putShort(Float.floatToFloat16((float) scale));
        return scale;
    }
}
