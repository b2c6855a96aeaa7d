package dev.mlxnative.internal.device;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.internal.background.StackSafeLock;
import dev.mlxnative.internal.shim.Shim;
import java.lang.foreign.MemorySegment;
import java.util.Collection;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A residency set and its members: buffer objects that the system keeps where the GPU can reach them. Thread-safe.
 *
 * <p>An object leaves the set before it is released: {@link BufferObject#release} calls this set, which then commits
 * the removal.
 */
public final class ResidencySet implements BufferObject.ReleaseListener {
    private static final AtomicInteger OPEN_SETS = new AtomicInteger();

    /** Null where the system has no sets. */
    private final @Nullable RefCountedHandle handle;

    private final StackSafeLock lock = new StackSafeLock();

    @GuardedBy("lock")
    private final Set<BufferObject> members = new HashSet<>();

    /** Objects whose removal is staged but not committed: the system may still use them as members. */
    @GuardedBy("lock")
    private final Set<BufferObject> removed = new HashSet<>();

    @GuardedBy("lock")
    private boolean staged;

    @GuardedBy("lock")
    private boolean closed;

    private ResidencySet(@Nullable RefCountedHandle handle) {
        this.handle = handle;
    }

    /**
     * Creates an empty set, or one that does nothing where the system has none.
     *
     * @throws IllegalArgumentException if the label contains NUL
     * @throws IllegalStateException if this process has as many open sets as a command queue takes, or the device is
     *     closed
     */
    public static ResidencySet create(NativeDevice device, String label) {
        Shim.requireText(label);
        device.requireOpen();
        return device.handle()
                .use(opened -> create(opened, label, device.traits().maxResidencySets()));
    }

    private static ResidencySet create(MemorySegment device, String label, int maxSets) {
        int open = OPEN_SETS.incrementAndGet();
        ResidencySet created = null;
        RefCountedHandle handle = null;
        try {
            if (open > maxSets) {
                throw new IllegalStateException("there are " + (open - 1) + " residency sets in this process, and "
                        + maxSets + " is the most that a command queue takes: close one");
            }
            handle = createHandle(device, label);
            created = new ResidencySet(handle);
            return created;
        } finally {
            if (handle == null || created == null) {
                OPEN_SETS.decrementAndGet();
            }
            if (handle != null && created == null) {
                handle.close();
            }
        }
    }

    private static @Nullable RefCountedHandle createHandle(MemorySegment device, String label) {
        try {
            return Shim.createResidencySet(
                    device, label, set -> new RefCountedHandle("residency set", set, Shim::releaseResidencySet));
        } catch (UnsupportedOperationException e) {
            return null;
        }
    }

    /** Whether the system has residency sets. */
    public boolean isSupported() {
        return handle != null;
    }

    /**
     * Stages the addition of an object.
     *
     * @throws IllegalStateException if the set is closed, or the object is released
     */
    public void add(BufferObject object) {
        lock.lock();
        try {
            requireOpen();
            stageAddition(object);
        } finally {
            lock.unlock();
        }
    }

    /** As {@link #add}, but does nothing once the set is closed. */
    void addUnlessClosed(BufferObject object) {
        lock.lock();
        try {
            if (!closed) {
                stageAddition(object);
            }
        } finally {
            lock.unlock();
        }
    }

    @GuardedBy("lock")
    private void stageAddition(BufferObject object) {
        if (handle == null || members.contains(object)) {
            return;
        }
        // Listening comes first: a thread that releases the object then calls this set, and waits for its lock.
        boolean isNew = !removed.contains(object);
        if (isNew) {
            object.addReleaseListener(this);
        }
        boolean added = false;
        try {
            members.add(object); // before the native call, since it allocates
            Shim.addToResidencySet(handle.handle(), object.segment());
            removed.remove(object);
            staged = true;
            added = true;
        } finally {
            if (!added) {
                members.remove(object);
                if (isNew) {
                    object.removeReleaseListener(this);
                }
            }
        }
    }

    /**
     * Stages the removal of an object.
     *
     * @throws IllegalStateException if the set is closed
     */
    public void remove(BufferObject object) {
        lock.lock();
        try {
            requireOpen();
            stageRemoval(object);
        } finally {
            lock.unlock();
        }
    }

    @GuardedBy("lock")
    private void stageRemoval(BufferObject object) {
        if (handle != null && members.contains(object)) {
            removed.add(object); // before the native call, since it allocates
            Shim.removeFromResidencySet(handle.handle(), object.raw());
            members.remove(object);
            staged = true;
        }
    }

    /** Removes objects that are about to be released, with one commit for all. Does nothing once the set is closed. */
    void removeAll(Collection<BufferObject> objects) {
        lock.lock();
        try {
            if (closed) {
                return;
            }
            boolean known = false;
            for (BufferObject object : objects) {
                stageRemoval(object);
                known |= removed.contains(object);
            }
            if (known) {
                commitStaged();
            }
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void releasing(BufferObject object) {
        removeAll(Set.of(object));
    }

    /**
     * Applies what is staged.
     *
     * @throws IllegalStateException if the set is closed
     */
    public void commit() {
        lock.lock();
        try {
            requireOpen();
            if (staged) {
                commitStaged();
            }
        } finally {
            lock.unlock();
        }
    }

    @GuardedBy("lock")
    private void commitStaged() {
        if (handle != null) {
            Shim.commitResidencySet(handle.handle());
        }
        removed.removeAll(members); // those whose removal has failed
        forget(removed);
        staged = false;
    }

    @GuardedBy("lock")
    private void forget(Set<BufferObject> objects) {
        for (BufferObject object : objects) {
            object.removeReleaseListener(this);
        }
        objects.clear();
    }

    /**
     * Asks the system to make the committed members resident.
     *
     * @throws IllegalStateException if the set is closed
     */
    public void request() {
        lock.lock();
        try {
            requireOpen();
            if (handle != null) {
                Shim.requestResidency(handle.handle());
            }
        } finally {
            lock.unlock();
        }
    }

    /**
     * Tells the system that the members need not be resident any longer.
     *
     * @throws IllegalStateException if the set is closed
     */
    public void end() {
        lock.lock();
        try {
            requireOpen();
            if (handle != null) {
                Shim.endResidency(handle.handle());
            }
        } finally {
            lock.unlock();
        }
    }

    /** Members, staged changes included. */
    public int size() {
        lock.lock();
        try {
            return members.size();
        } finally {
            lock.unlock();
        }
    }

    /**
     * The {@code id<MTLResidencySet>}; {@code NULL} where the system has no sets.
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

    /** Whether the set is closed. */
    public boolean isClosed() {
        lock.lock();
        try {
            return closed;
        } finally {
            lock.unlock();
        }
    }

    /** Releases the set, whose members live on; false if it was closed before, and then nothing happens. */
    public boolean close() {
        lock.lock();
        try {
            if (closed) {
                return false;
            }
            closed = true;
            if (handle != null) {
                handle.close();
                OPEN_SETS.decrementAndGet();
            }
            forget(members);
            forget(removed);
            return true;
        } finally {
            lock.unlock();
        }
    }

    @GuardedBy("lock")
    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the residency set is closed");
        }
    }
}
