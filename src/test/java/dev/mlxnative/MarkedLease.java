package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.MemorySegment;

/** A lease with a mark of its own at both ends of its bytes, which nobody else may change while it goes on. */
final class MarkedLease {
    /** One-to-one in the low bits, so that leases of a single byte differ as far as they can. */
    private static final long ODD = 0x9E3779B97F4A7C15L;

    private static final MemorySegment ZEROES = MemorySegment.ofArray(new byte[4096]);

    final MlxBuffer buffer;
    /** The memory behind it, which stays readable when the lease has ended, even in a checked pool. */
    private final MemorySegment memory;

    private final long length;
    private final long mark;

    MarkedLease(MlxBuffer buffer, long number) {
        this.buffer = buffer;
        this.memory = buffer.block().segment();
        this.length = buffer.byteLength();
        this.mark = number * ODD;
    }

    /** @throws IllegalStateException if the lease has ended */
    void write() {
        MemorySegment segment = buffer.segment();
        if (length < Long.BYTES) {
            for (int i = 0; i < length; i++) {
                segment.set(JAVA_BYTE, i, (byte) (mark >>> i * Byte.SIZE));
            }
            return;
        }
        segment.set(JAVA_LONG_UNALIGNED, 0, mark);
        if (length >= 2 * Long.BYTES) {
            segment.set(JAVA_LONG_UNALIGNED, length - Long.BYTES, mark);
        }
    }

    /** Whether the memory is there, and as {@link #write} left it. */
    boolean isIntact() {
        try {
            if (length < Long.BYTES) {
                for (int i = 0; i < length; i++) {
                    if (memory.get(JAVA_BYTE, i) != (byte) (mark >>> i * Byte.SIZE)) {
                        return false;
                    }
                }
                return true;
            }
            return memory.get(JAVA_LONG_UNALIGNED, 0) == mark
                    && (length < 2 * Long.BYTES || memory.get(JAVA_LONG_UNALIGNED, length - Long.BYTES) == mark);
        } catch (IllegalStateException gone) {
            return false;
        }
    }

    /** Fails if the marks are gone, unless the lease is too: another thread may end it at any time. */
    void requireIntact() {
        if (!isIntact() && !buffer.isReleased()) {
            throw new AssertionError(buffer + " is not as its holder left it");
        }
    }

    /** Fails if the marks of memory are gone that waits for a fence or a scope, whatever has become of the lease. */
    void requireUntouched() {
        if (!isIntact()) {
            throw new AssertionError("the memory of " + buffer + " changed before its fence or scope let it go");
        }
    }

    /** Fails if a new lease has traces of another at either end. */
    void requireZero() {
        long size = Math.min(length, ZEROES.byteSize());
        MemorySegment zeroes = ZEROES.asSlice(0, size);
        if ((memory.asSlice(0, size).mismatch(zeroes) >= 0
                        || memory.asSlice(length - size, size).mismatch(zeroes) >= 0)
                && !buffer.isReleased()) {
            throw new AssertionError(buffer + " is not zero");
        }
    }
}
