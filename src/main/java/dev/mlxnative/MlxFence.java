package dev.mlxnative;

/**
 * A point in the GPU's work, after which memory that the work uses is free again.
 *
 * <p>{@link MlxSharedEvent#at} makes fences. Code with a completion signal of its own can implement this interface;
 * both methods may then be called from any thread, {@link #isComplete} often and while allocating, so it must be quick
 * and must not use the pool. Once complete, a fence stays complete. While {@code isComplete} throws, what is parked
 * with the fence stays parked. A pool tells fences apart by identity alone.
 */
public interface MlxFence {
    /** Whether the point has been reached. Never blocks. */
    boolean isComplete();

    /**
     * Waits until the point has been reached, for ever if need be. A pool waits too, on threads of its own: for parked
     * memory when none is left, which it ends by interrupting, and for what is parked when it closes.
     *
     * @throws InterruptedException if the thread is interrupted while it waits
     */
    void await() throws InterruptedException;
}
