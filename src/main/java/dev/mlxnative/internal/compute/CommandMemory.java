package dev.mlxnative.internal.compute;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/** Native memory for a command stream, which grows. Its garbage is collected. Not thread-safe. */
final class CommandMemory {
    private static final long INITIAL_BYTES = 16 << 10;

    private MemorySegment memory = allocate(INITIAL_BYTES);
    private long capacity = INITIAL_BYTES;

    /** The memory after this one in the list of a queue. */
    @Nullable
    CommandMemory next;

    private static MemorySegment allocate(long bytes) {
        return Arena.ofAuto().allocate(bytes, ValueLayout.JAVA_LONG.byteAlignment());
    }

    /** Grows so that the stream can have this many bytes. */
    void require(long bytes) {
        if (bytes > capacity) {
            grow(bytes);
        }
    }

    private void grow(long bytes) {
        long enough = Math.max(bytes, 2 * capacity);
        memory = allocate(enough).copyFrom(memory);
        capacity = enough;
    }

    /** Writes a word. The caller has called {@link #require}. */
    void put(long offset, long word) {
        memory.set(ValueLayout.JAVA_LONG, offset, word);
    }

    /** Writes two numbers of 4 bytes. */
    void putPair(long offset, int first, int second) {
        memory.set(ValueLayout.JAVA_INT, offset, first);
        memory.set(ValueLayout.JAVA_INT, offset + Integer.BYTES, second);
    }

    /** Writes bytes, and pads them with zeros to a multiple of 8. */
    void putBytes(long offset, MemorySegment bytes) {
        long length = bytes.byteSize();
        long padded = (length + 7) / 8 * 8;
        if (padded != length) {
            memory.set(ValueLayout.JAVA_LONG, offset + padded - 8, 0);
        }
        MemorySegment.copy(bytes, 0, memory, offset, length);
    }

    /** The memory; the stream is at its beginning. */
    MemorySegment segment() {
        return memory;
    }
}
