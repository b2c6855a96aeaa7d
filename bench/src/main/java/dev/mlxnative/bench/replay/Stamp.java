package dev.mlxnative.bench.replay;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Eight bytes, repeated through the whole of a buffer, that tell its lease from every other.
 *
 * <p>If two live leases share so much as one byte, the later stamp changes it under the earlier one. The bytes are
 * those of the lease's number times an odd constant. Multiplying by an odd number is one-to-one in the low 8, 16, …, 64
 * bits alike, so buffers shorter than eight bytes differ too, as far as they can: two of a single byte look the same
 * only if their numbers differ by a multiple of 256.
 */
public record Stamp(long pattern) {

    private static final long ODD = 0x9E3779B97F4A7C15L;

    private static final ValueLayout.OfLong BYTES = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    public static Stamp ofLease(long number) {
        return new Stamp(number * ODD);
    }

    /** Writes every byte of {@code contents}; by copying what is there already, twice as much each time. */
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

    /** Whether every byte of {@code contents} is still as {@link #write} left it. */
    public boolean isIntact(MemorySegment contents) {
        long size = contents.byteSize();
        for (int i = 0; i < Math.min(size, Long.BYTES); i++) {
            if (contents.get(ValueLayout.JAVA_BYTE, i) != patternByte(i)) {
                return false;
            }
        }
        // What begins with the pattern and equals itself moved by the pattern's length is the pattern throughout.
        return size <= Long.BYTES
                || MemorySegment.mismatch(contents, 0, size - Long.BYTES, contents, Long.BYTES, size) < 0;
    }

    /** Writes the first and the last eight bytes alone: leases of whole buffers share these if they share any. */
    public void writeEnds(MemorySegment contents) {
        long last = contents.byteSize() - Long.BYTES;
        if (last < Long.BYTES) {
            write(contents);
        } else {
            contents.set(BYTES, 0, pattern);
            contents.set(BYTES, last, pattern);
        }
    }

    /** Whether {@code contents} is still as {@link #writeEnds} left it, as far as that wrote. */
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
