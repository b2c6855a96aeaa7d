package dev.mlxnative;

import dev.mlxnative.internal.device.BufferObject;
import dev.mlxnative.internal.device.ResidencySet;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.function.Consumer;

/**
 * A set of buffers whose memory the system keeps where the GPU can reach it: {@code MTLResidencySet}.
 *
 * <p>{@link #add} and {@link #remove} stage changes and {@link #commit} applies them. Commit once for a batch of work,
 * since a commit costs the same for one change as for a thousand. The members are native buffers: a slice adds all of
 * its native buffer, and a pool's lease adds a native buffer of the pool, which stays a member when the lease ends.
 * Memory leaves its sets before it is freed.
 *
 * <p>Keep the set reachable until it is attached to a command queue, and as long as it is changed:
 * {@link LeakDetection} closes a set that is unreachable. A pool that is built with the set keeps it.
 *
 * <p>Systems before macOS 15 and virtual GPUs have no residency sets. There {@link #isSupported} is false and every
 * method does nothing, which is how those systems treat all memory.
 */
public final class MlxResidencySet implements AutoCloseable {
    private final ResidencySet set;
    private final Cleaner.Cleanable watch;

    /** Takes over a set. */
    MlxResidencySet(ResidencySet set, String label, DeviceLeaks leaks) {
        this.set = set;
        try {
            this.watch = leaks.watch(this, "the residency set '" + label + "'", set::close);
        } catch (Throwable e) {
            set.close();
            throw e;
        }
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
        use(open -> change(buffer, open::add));
    }

    /**
     * Stages the removal of a buffer's memory. Removing what is no member does nothing.
     *
     * @throws IllegalStateException if the buffer's lease has ended, or the set is closed
     */
    public void remove(MlxBuffer buffer) {
        use(open -> change(buffer, open::remove));
    }

    /**
     * Applies the staged changes, if there are any.
     *
     * @throws IllegalStateException if the set is closed
     */
    public void commit() {
        use(ResidencySet::commit);
    }

    /**
     * Asks the system to make the committed members resident before they are used.
     *
     * @throws IllegalStateException if the set is closed
     */
    public void request() {
        use(ResidencySet::request);
    }

    /**
     * Tells the system that the members need not be resident any longer.
     *
     * @throws IllegalStateException if the set is closed
     */
    public void end() {
        use(ResidencySet::end);
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
        watch.clean();
    }

    private static void change(MlxBuffer buffer, Consumer<BufferObject> change) {
        try {
            change.accept(buffer.bufferObject());
        } finally {
            Reference.reachabilityFence(buffer);
        }
    }

    /** Keeps the cleaner from closing the set during its last call. */
    private void use(Consumer<ResidencySet> call) {
        try {
            call.accept(set);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** For a debugger: members and state. */
    @Override
    public String toString() {
        return "MlxResidencySet[" + size() + " buffers" + (isSupported() ? "" : ", unsupported")
                + (set.isClosed() ? ", closed]" : "]");
    }
}
