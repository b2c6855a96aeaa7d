package dev.mlxnative;

import dev.mlxnative.internal.device.ResidencySet;
import java.lang.foreign.MemorySegment;

/**
 * A set of buffers whose memory the system keeps where the GPU can reach it: {@code MTLResidencySet}.
 *
 * <p>{@link #add} and {@link #remove} stage changes and {@link #commit} applies them. Commit once for a batch of work,
 * since a commit costs the same for one change as for a thousand. The members are native buffers: a slice adds all of
 * its native buffer, and a pool's lease adds a native buffer of the pool, which stays a member when the lease ends.
 * Memory leaves its sets before it is freed.
 *
 * <p>Systems before macOS 15 and virtual GPUs have no residency sets. There {@link #isSupported} is false and every
 * method does nothing, which is how those systems treat all memory.
 */
public final class MlxResidencySet implements AutoCloseable {
    private final ResidencySet set;

    MlxResidencySet(ResidencySet set) {
        this.set = set;
    }

    ResidencySet residencySet() {
        return set;
    }

    /** Whether the system has residency sets. */
    public boolean isSupported() {
        return set.isSupported();
    }

    /**
     * Stages the addition of a buffer's memory. Adding a member again does nothing.
     *
     * @throws IllegalStateException if the buffer's lease has ended, or the set is closed
     */
    public void add(MlxBuffer buffer) {
        set.add(buffer.bufferObject());
    }

    /**
     * Stages the removal of a buffer's memory. Removing what is no member does nothing.
     *
     * @throws IllegalStateException if the buffer's lease has ended, or the set is closed
     */
    public void remove(MlxBuffer buffer) {
        set.remove(buffer.bufferObject());
    }

    /**
     * Applies the staged changes, if there are any.
     *
     * @throws IllegalStateException if the set is closed
     */
    public void commit() {
        set.commit();
    }

    /**
     * Asks the system to make the committed members resident before they are used.
     *
     * @throws IllegalStateException if the set is closed
     */
    public void request() {
        set.request();
    }

    /**
     * Tells the system that the members need not be resident any longer.
     *
     * @throws IllegalStateException if the set is closed
     */
    public void end() {
        set.end();
    }

    /** Native buffers that are members, staged changes included; 0 where the system has no sets. */
    public int size() {
        return set.size();
    }

    /**
     * The {@code id<MTLResidencySet>}, to be attached to the caller's command queue; on {@link Backend#HOST} an opaque
     * pointer, and {@code NULL} where the system has no sets. Valid until the set is closed.
     *
     * @throws IllegalStateException if the set is closed
     */
    public MemorySegment handle() {
        return set.handle();
    }

    /** Releases the set; its members live on. Closing it again does nothing. */
    @Override
    public void close() {
        set.close();
    }

    /** For a debugger: members and state. */
    @Override
    public String toString() {
        return "MlxResidencySet[" + size() + " buffers" + (isSupported() ? "" : ", unsupported")
                + (set.isClosed() ? ", closed]" : "]");
    }
}
