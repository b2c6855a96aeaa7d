package dev.mlxnative.internal.pool;

import dev.mlxnative.MlxFence;
import dev.mlxnative.internal.device.NativeDevice;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/** The origin of a lease: a pool, a scope, or a device. Ending the lease returns the memory there. */
public interface LeaseOrigin {
    /** The pool whose memory it is, to be compared by identity; null if the memory is the device's own. */
    @Nullable
    PoolEngine pool();

    /** Whether the memory is of this device. */
    boolean isOf(NativeDevice device);

    /** Whether the memory is scratch memory of a command buffer, which is the GPU's alone. */
    default boolean isScratch() {
        return false;
    }

    /** The lifetime of the segments of the lease; null for that of the memory. */
    @Nullable
    Arena arena();

    /** {@link #arena()} if it belongs to this lease alone and is closed with it; else null. */
    @Nullable
    Arena leaseArena();

    /**
     * Ends a lease of this origin.
     *
     * @param fence the fence that the memory waits for before it is reused; null for none
     * @return false if the lease had ended before, and then nothing has happened
     * @throws IllegalStateException if a native call uses the memory, and then nothing has happened
     */
    boolean end(Block block, long generation, @Nullable MlxFence fence);
}
