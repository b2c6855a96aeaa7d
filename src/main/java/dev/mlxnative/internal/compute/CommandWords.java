package dev.mlxnative.internal.compute;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Words of a command stream, in a growing array. A command is written behind the words, and becomes a part of them by
 * {@link #add}. Not thread-safe.
 */
final class CommandWords {
    /** The words of an array at most: above, virtual machines refuse. */
    private static final int MOST = Integer.MAX_VALUE - 8;

    private long[] array;
    private int length;

    CommandWords(int capacity) {
        array = new long[capacity];
    }

    /** The number of words. */
    int length() {
        return length;
    }

    /** The array, with the words at its beginning. */
    long[] array() {
        return array;
    }

    /**
     * The array, with room for so many words more.
     *
     * @throws IllegalStateException if they are too many for an array
     */
    long[] reserve(int words) {
        if (words > array.length - length) {
            grow(words);
        }
        return array;
    }

    private void grow(int words) {
        long needed = (long) length + words;
        if (needed > MOST) {
            throw new IllegalStateException("a command buffer has at most " + MOST * (long) Long.BYTES
                    + " bytes of commands, but would need " + needed * Long.BYTES + ": commit it");
        }
        array = Arrays.copyOf(array, (int) Math.min(MOST, Math.max(needed, 2L * array.length)));
    }

    /** Adds the words that were written behind the others. */
    void add(int words) {
        length += words;
    }

    void clear() {
        length = 0;
    }

    /** A word of two numbers. Processors that the library knows have the first one at the lower address. */
    static long pair(int first, int second) {
        return Integer.toUnsignedLong(first) | (long) second << Integer.SIZE;
    }

    /** The number of words that bytes take, padded with zeros. */
    static int wordsOf(long bytes) {
        return (int) ((bytes + Long.BYTES - 1) / Long.BYTES);
    }

    /** Writes bytes into words of an array, padded with zeros. */
    static void copy(MemorySegment bytes, long[] to, int at) {
        int whole = (int) (bytes.byteSize() / Long.BYTES);
        int rest = (int) (bytes.byteSize() % Long.BYTES);
        MemorySegment.copy(bytes, ValueLayout.JAVA_LONG_UNALIGNED, 0, to, at, whole);
        if (rest > 0) {
            long last = 0;
            for (int i = rest - 1; i >= 0; i--) {
                last = (last << Byte.SIZE) | Byte.toUnsignedLong(bytes.get(ValueLayout.JAVA_BYTE, whole * 8L + i));
            }
            to[at + whole] = last;
        }
    }
}
