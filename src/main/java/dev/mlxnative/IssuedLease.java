package dev.mlxnative;

import java.lang.foreign.Arena;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A lease as the pool knows it, without the buffer that its holder has.
 *
 * @param number the lease's, in its memory
 * @param leaseArena the arena of the lease alone, where it has one
 */
record IssuedLease(
        NativeBuffer memory, long number, @Nullable Arena leaseArena, long requestedBytes)
        implements LeakDetector.Leases {
    /**
     * Ends the lease; false if it has ended before.
     *
     * @throws IllegalStateException if a native call uses a segment that ends with the lease
     */
    boolean tryEnd() {
        return NativeBuffer.isLease(number) && NativeBuffer.closeForGood(leaseArena) && memory.end(number);
    }

    @Override
    public List<NativeBuffer> end() {
        return tryEnd() ? List.of(memory) : List.of();
    }

    @Override
    public void settle() {}

    @Override
    public boolean areOut() {
        return memory.isLive(number);
    }

    @Override
    public boolean endWithReset() {
        return true;
    }

    @Override
    public String toString() {
        return "a buffer of " + requestedBytes + " bytes";
    }
}
