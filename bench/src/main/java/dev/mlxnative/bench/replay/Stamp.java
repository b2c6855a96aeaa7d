package dev.mlxnative.bench.replay;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * A pattern of eight bytes, repeated over a whole buffer, that identifies the lease.
 *
 * <p>If two live leases share a byte, the later stamp overwrites that byte of the earlier one, and the check of the
 * earlier one fails.
 *
 * <p>The pattern is the lease's number times an odd constant. Multiplication by an odd number is one-to-one in the low
 * 8, 16, …, 64 bits. Buffers shorter than eight bytes therefore differ as far as possible: two buffers of one byte have
 * the same stamp only if their numbers differ by a multiple of 256.
 */
public record Stamp(long pattern) {

    private static final long ODD_FACTOR = 0x9E3779B97F4A7C15L;

    private static final ValueLayout.OfLong BYTES = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    public static Stamp ofLease(long number) {
        return new Stamp(number * ODD_FACTOR);
    }

    /** Writes every byte of {@code contents}. Each copy doubles the part that is written. */
    public void write(MemorySegment contents) {
        long size = contents.byteSize();
        long written = Math.min(size, Long.BYTES);
        for (int i = 0; i < written; i++) {
            contents.set(ValueLayout.JAVA_BYTE, i, patternByte(i));
        }
        while (written < size) {
            long length = Math.min(written, size - written);
            MemorySegment.copy(contents, 0, contents, written, length);
            written += length;
        }
    }

    /** Whether every byte of {@code contents} is as {@link #write} wrote it. */
    public boolean isIntact(MemorySegment contents) {
        long size = contents.byteSize();
        long patternsEnd = size - size % Long.BYTES;
        long altered = 0;
        // Without an early exit the JIT compiler vectorises the loop, which most checks run to its end.
        for (long i = 0; i < patternsEnd; i += Long.BYTES) {
            altered |= contents.get(BYTES, i) ^ pattern;
        }
        for (long i = patternsEnd; i < size; i++) {
            altered |= contents.get(ValueLayout.JAVA_BYTE, i) ^ patternByte((int) (i - patternsEnd));
        }
        return altered == 0;
    }

    /** Writes only the first and the last eight bytes. Leases of whole buffers share these if they share any byte. */
    public void writeEnds(MemorySegment contents) {
        long last = contents.byteSize() - Long.BYTES;
        if (last < Long.BYTES) {
            write(contents);
        } else {
            contents.set(BYTES, 0, pattern);
            contents.set(BYTES, last, pattern);
        }
    }

    /** Whether the bytes that {@link #writeEnds} writes are as it wrote them. */
    public boolean hasIntactEnds(MemorySegment contents) {
        long last = contents.byteSize() - Long.BYTES;
        return last < Long.BYTES
                ? isIntact(contents)
                : contents.get(BYTES, 0) == pattern && contents.get(BYTES, last) == pattern;
    }

    private byte patternByte(int index) {
        return (byte) (pattern >>> (Byte.SIZE * index));
    }
}
