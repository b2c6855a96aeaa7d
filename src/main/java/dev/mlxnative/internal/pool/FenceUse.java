package dev.mlxnative.internal.pool;

import dev.mlxnative.MlxFence;
import dev.mlxnative.internal.device.RetainedFence;
import org.jspecify.annotations.Nullable;

/**
 * The use of a fence by a call that ends leases: it keeps the fence alive and, if the fence is not complete, has room
 * reserved to park their memory.
 */
final class FenceUse implements AutoCloseable {
    private final MlxFence fence;
    private final PendingReleases pendingReleases;
    private final @Nullable MlxFence pending;

    /**
     * Asks the fence, and reserves room.
     *
     * @throws IllegalStateException if the event of the fence is closed and unused
     */
    FenceUse(MlxFence fence, PendingReleases pendingReleases) {
        this.fence = fence;
        this.pendingReleases = pendingReleases;
        RetainedFence.retain(fence);
        boolean done = false;
        try {
            pending = fence.isComplete() ? null : fence;
            if (pending != null) {
                pendingReleases.reserve(pending);
            }
            done = true;
        } finally {
            if (!done) {
                RetainedFence.release(fence);
            }
        }
    }

    /** The fence if memory has to be parked with it; null if it was complete. */
    @Nullable
    MlxFence pending() {
        return pending;
    }

    @Override
    public void close() {
        try {
            if (pending != null) {
                pendingReleases.unreserve(pending);
            }
        } finally {
            RetainedFence.release(fence);
        }
    }
}
