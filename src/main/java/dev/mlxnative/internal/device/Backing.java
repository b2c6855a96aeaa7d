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
     * Releases the objects, and all else that the memory holds. Called after its segments have ended; not again, unless
     * it has thrown.
     */
    void release();
}
