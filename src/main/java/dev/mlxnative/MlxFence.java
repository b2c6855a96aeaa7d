package dev.mlxnative;

/**
 * A point in the GPU's work, after which the memory that the work uses is free again.
 *
 * <p>{@link MlxSharedEvent#at} makes fences. Code with a completion signal of its own can implement this interface. Any
 * thread may call both methods. {@link #isComplete} is called often, also by requests for memory: it must be quick and
 * must not use the pool. Once complete, a fence must stay complete. While {@code isComplete} throws, memory that is
 * parked with the fence stays parked. A pool compares fences by identity.
 */
public interface MlxFence {
    /** Whether the point has been reached. Never blocks. */
    boolean isComplete();

    /**
     * Waits until the point has been reached, without a time limit. A pool calls this on threads of its own: while a
     * request needs parked memory, and for memory that is parked when the pool closes.
     *
     * @throws InterruptedException if the thread is interrupted while it waits
     */
    void await() throws InterruptedException;
}
