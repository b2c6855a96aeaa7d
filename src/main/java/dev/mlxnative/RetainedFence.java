package dev.mlxnative;

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
}
