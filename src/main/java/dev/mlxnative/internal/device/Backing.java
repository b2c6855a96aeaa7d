package dev.mlxnative.internal.device;

/** The buffer objects behind one memory. Thread-safe. */
public interface Backing {
    /**
     * The object that covers these bytes of the memory.
     *
     * @throws IllegalStateException if they are too many for one object
     */
    BufferObject covering(long offset, long length);

    /** Whether an object has a copy of the memory, because the device could not share it. */
    boolean isCopy();

    /** Removes the label of an earlier lease. */
    void removeLabel();

    /**
     * Allows the system to take the contents of the memory, or forbids it; returns whether it had taken them. The
     * caller keeps the memory from being freed.
     *
     * @throws UnsupportedOperationException if the device refuses; nothing has changed then
     */
    boolean setVolatile(boolean isVolatile);

    /**
     * Releases the objects, and all else that the memory holds. Called after its segments have ended; not again, unless
     * it has thrown.
     */
    void release();
}
