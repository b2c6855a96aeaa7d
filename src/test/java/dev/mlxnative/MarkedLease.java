package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.mlxnative.internal.device.DeviceMemory;
import java.lang.foreign.MemorySegment;

/** A lease that its holder has marked at both ends. While the lease is active, no other thread may change the marks. */
final class MarkedLease {
    /** Multiplies a number one-to-one in its low bits, so that even leases of a single byte have different marks. */
    private static final long MULTIPLIER = 0x9E3779B97F4A7C15L;

    private static final MemorySegment ZEROES = MemorySegment.ofArray(new byte[4096]);

    final MlxBuffer buffer;
    /** The native buffer that the lease is a part of. */
    final DeviceMemory nativeBuffer;
    /** The memory of the lease. It stays readable when the lease has ended, even in a checked pool. */
    private final MemorySegment memory;

    private final long length;
    private final long mark;

    MarkedLease(MlxBuffer buffer, long number) {
        this.buffer = buffer;
        this.nativeBuffer = buffer.block().memory();
        this.memory = buffer.block().segment();
        this.length = buffer.byteLength();
        this.mark = number * MULTIPLIER;
    }

    /**
     * Writes the marks.
     *
     * @throws IllegalStateException if the lease has ended
     */
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

    /** Whether the memory exists and still has the marks of {@link #write}. */
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
        } catch (IllegalStateException freed) {
            return false;
        }
    }

    /** Fails if the marks have changed and the lease is active. Another thread may end the lease at any time. */
    void requireIntact() {
        if (!isIntact() && !buffer.isReleased()) {
            throw new AssertionError(buffer + " is not as its holder left it");
        }
    }

    /** Fails if the marks have changed. For memory that waits for a fence or a scope: its lease has ended. */
    void requireUntouched() {
        if (!isIntact()) {
            throw new AssertionError(
                    "the memory of " + buffer + " changed before its fence completed or its scope closed");
        }
    }

    /** Fails if a new lease has bytes of an earlier one at either end. */
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
