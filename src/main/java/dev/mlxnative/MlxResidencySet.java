package dev.mlxnative;

import java.lang.foreign.MemorySegment;
import java.util.Collection;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Memory that the system keeps where the GPU can reach it: {@code MTLResidencySet}.
 *
 * <p>{@link #add} and {@link #remove} stage changes, {@link #commit} applies them: once for a batch of work, since a
 * commit costs the same for one change as for a thousand. Membership is the native buffer's: a slice brings all of the
 * buffer that it was sliced from, and a pool's lease the pool's buffer, which stays a member when the lease ends.
 * Memory that is given back to the device leaves its sets by itself.
 *
 * <p>Systems before macOS 15 have no residency sets, nor have virtual GPUs: there {@link #isSupported} is false and
 * everything here does nothing, which is what those systems do for memory that is in no set.
 */
public final class MlxResidencySet implements AutoCloseable {
    /** A command queue takes no more sets than this (Apple, {@code MTLCommandQueue addResidencySet:}). */
    static final int MOST_SETS = 32;

    private static final AtomicInteger OPEN_SETS = new AtomicInteger();

    /** Null where the system has no sets. */
    private final @Nullable SharedHandle handle;

    private final ReentrantLock lock = new ReentrantLock();
    /* Guarded by the lock. */
    private final Set<NativeHandle> members = new HashSet<>();
    /** Removed, but not committed: what is freed meanwhile has to be waited for like a member. */
    private final Set<NativeHandle> leaving = new HashSet<>();

    private boolean staged;
    private boolean closed;

    private MlxResidencySet(@Nullable SharedHandle handle) {
        this.handle = handle;
    }

    /**
     * Makes a set, or one that does nothing where the system has none.
     *
     * @param device acquired by the caller for the time of this call
     */
    static MlxResidencySet create(MemorySegment device, String label) {
        int open = OPEN_SETS.incrementAndGet();
        SharedHandle handle = null;
        try {
            if (open > MOST_SETS) {
                throw new IllegalStateException("there are " + (open - 1) + " residency sets in this process, and "
                        + MOST_SETS + " is the most that a command queue takes: close one");
            }
            handle = createHandle(device, label);
            return new MlxResidencySet(handle);
        } finally {
            if (handle == null) {
                OPEN_SETS.decrementAndGet();
            }
        }
    }

    private static @Nullable SharedHandle createHandle(MemorySegment device, String label) {
        try {
            return new SharedHandle("residency set", Shim.createResidencySet(device, label), Shim::releaseResidencySet);
        } catch (UnsupportedOperationException e) {
            return null;
        }
    }

    /** Whether the system has residency sets; where it has not, this one does nothing. */
    public boolean isSupported() {
        return handle != null;
    }

    /**
     * Stages a buffer's memory to become a member. A member stays one.
     *
     * @throws IllegalStateException if the buffer's lease has ended, or the set is closed
     */
    public void add(MlxBuffer buffer) {
        NativeHandle memory = buffer.nativeHandle();
        change(set -> stage(set, memory));
    }

    /** As {@link #add}, for a pool, which goes on when the set is closed. */
    void addUnlessClosed(NativeHandle memory) {
        lock.lock();
        try {
            if (!closed && handle != null) {
                stage(handle.handle(), memory);
            }
        } finally {
            lock.unlock();
        }
    }

    private void stage(MemorySegment set, NativeHandle memory) {
        if (!members.contains(memory)) {
            // First: whoever frees the memory from here on comes to this set, and waits for the lock.
            boolean joins = !leaving.contains(memory);
            if (joins) {
                memory.joined(this);
            }
            boolean added = false;
            try {
                Shim.addToResidencySet(set, memory.segment());
                members.add(memory);
                leaving.remove(memory);
                staged = true;
                added = true;
            } finally {
                if (joins && !added) {
                    memory.left(this);
                }
            }
        }
    }

    /**
     * Stages a buffer's memory to be no member any more. What is none stays none.
     *
     * @throws IllegalStateException if the buffer's lease has ended, or the set is closed
     */
    public void remove(MlxBuffer buffer) {
        NativeHandle memory = buffer.nativeHandle();
        change(set -> {
            if (members.remove(memory)) {
                Shim.removeFromResidencySet(set, memory.raw());
                leaving.add(memory);
                staged = true;
            }
        });
    }

    /** Removes memory that is about to be freed, all of it with one commit. */
    void forget(Collection<NativeHandle> memories) {
        lock.lock();
        try {
            if (closed || handle == null) {
                return;
            }
            boolean known = false;
            for (NativeHandle memory : memories) {
                if (members.remove(memory)) {
                    Shim.removeFromResidencySet(handle.handle(), memory.raw());
                    leaving.add(memory);
                }
                known |= leaving.contains(memory);
            }
            if (known) {
                commit(handle.handle());
            }
        } finally {
            lock.unlock();
        }
    }

    /**
     * Applies what is staged; does nothing where nothing is.
     *
     * @throws IllegalStateException if the set is closed
     */
    public void commit() {
        change(set -> {
            if (staged) {
                commit(set);
            }
        });
    }

    private void commit(MemorySegment set) {
        Shim.commitResidencySet(set);
        leaving.forEach(memory -> memory.left(this));
        leaving.clear();
        staged = false;
    }

    /**
     * Asks the system to make the committed members resident before they are used.
     *
     * @throws IllegalStateException if the set is closed
     */
    public void request() {
        change(Shim::requestResidency);
    }

    /**
     * Tells the system that the members need not be resident any longer.
     *
     * @throws IllegalStateException if the set is closed
     */
    public void end() {
        change(Shim::endResidency);
    }

    /** Buffers that are members, staged changes included; 0 where the system has no sets. */
    public int size() {
        lock.lock();
        try {
            return members.size();
        } finally {
            lock.unlock();
        }
    }

    /**
     * The {@code id<MTLResidencySet>}, to be attached to the caller's command queue; on {@link Backend#HOST} an opaque
     * pointer, and {@code NULL} where the system has no sets. Valid until the set is closed.
     *
     * @throws IllegalStateException if the set is closed
     */
    public MemorySegment handle() {
        lock.lock();
        try {
            requireOpen();
            return handle == null ? MemorySegment.NULL : handle.handle();
        } finally {
            lock.unlock();
        }
    }

    /** Gives the set back; its members live on. Closing it again does nothing. */
    @Override
    public void close() {
        lock.lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            members.forEach(memory -> memory.left(this));
            members.clear();
            leaving.forEach(memory -> memory.left(this));
            leaving.clear();
            if (handle != null) {
                handle.close();
                OPEN_SETS.decrementAndGet();
            }
        } finally {
            lock.unlock();
        }
    }

    @FunctionalInterface
    private interface Change {
        void apply(MemorySegment set);
    }

    private void change(Change change) {
        lock.lock();
        try {
            requireOpen();
            if (handle != null) {
                change.apply(handle.handle());
            }
        } finally {
            lock.unlock();
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the residency set is closed");
        }
    }

    /** For people: members and state. */
    @Override
    public String toString() {
        lock.lock();
        try {
            return "MlxResidencySet[" + members.size() + " buffers" + (handle == null ? ", unsupported" : "")
                    + (closed ? ", closed]" : "]");
        } finally {
            lock.unlock();
        }
    }
}
