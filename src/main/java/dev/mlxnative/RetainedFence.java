package dev.mlxnative;

import org.jspecify.annotations.Nullable;

/** A fence over a native object, which lives on while parked memory waits for it, even if its owner closes it. */
interface RetainedFence extends MlxFence {
    /**
     * Keeps the object alive until {@link #release}.
     *
     * @throws IllegalStateException if it is gone already
     */
    void retain();

    /** Ends one {@link #retain}. */
    void release();

    /** As {@link #retain()}, for a fence that may be of any kind. */
    static void retain(@Nullable MlxFence fence) {
        if (fence instanceof RetainedFence retained) {
            retained.retain();
        }
    }

    /** As {@link #release()}, for a fence that may be of any kind. */
    static void release(@Nullable MlxFence fence) {
        if (fence instanceof RetainedFence retained) {
            retained.release();
        }
    }
}
