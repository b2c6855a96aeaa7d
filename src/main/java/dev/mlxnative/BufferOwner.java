package dev.mlxnative;

import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/** Where a lease came from, and where ending it brings the memory back to. */
interface BufferOwner {
    /** The pool whose memory it is; null for a device's own. */
    @Nullable
    MlxBufferPool pool();

    /** How long the segments of its buffers last; null for as long as the memory. */
    @Nullable
    Arena arena();

    /** The same, where that arena is one lease's alone and is closed with it; else null. */
    @Nullable
    Arena leaseArena();

    /**
     * Ends a lease of this owner's.
     *
     * @param fence what the memory must wait for before it is used again, or null
     * @return false if the lease had ended before, and then nothing has happened
     * @throws IllegalStateException if the memory cannot be taken away at this moment; nothing has happened
     */
    boolean end(MlxBuffer buffer, @Nullable MlxFence fence);
}
