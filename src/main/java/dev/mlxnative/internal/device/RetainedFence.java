package dev.mlxnative.internal.device;

import dev.mlxnative.MlxFence;
import org.jspecify.annotations.Nullable;

/** A fence over a native object that parked memory keeps alive, even if the owner of the object closes it. */
public interface RetainedFence extends MlxFence {
    /**
     * Keeps the object alive until {@link #release}.
     *
     * @throws IllegalStateException if the object is destroyed
     */
    void retain();

    /** Ends one {@link #retain}. */
    void release();

    /** Retains the fence if it is of this kind. */
    static void retain(@Nullable MlxFence fence) {
        if (fence instanceof RetainedFence retained) {
            retained.retain();
        }
    }

    /** Releases the fence if it is of this kind. */
    static void release(@Nullable MlxFence fence) {
        if (fence instanceof RetainedFence retained) {
            retained.release();
        }
    }
}
