package dev.mlxnative.internal.shim;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.internal.background.DaemonTimer;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A native object until a Java object owns it. If that fails, the native object is released: a little later if the heap
 * or the stack has no room for the call.
 */
final class NewHandle {
    private static final DaemonTimer.Task RELEASE = DaemonTimer.shared().task(NewHandle::releaseOrphans);
    private static final long RELEASE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    @GuardedBy("NewHandle.class")
    private static @Nullable NewHandle firstOrphan;

    private final Consumer<MemorySegment> release;
    /** 0 before the object is created. */
    private long address;

    private boolean owned;
    private @Nullable NewHandle next;

    /** Made before the object is created. */
    NewHandle(Consumer<MemorySegment> release) {
        this.release = release;
    }

    /** The object is created; or it is not, and the handle is 0. */
    void created(long handle) {
        address = handle;
    }

    /** Makes the owner of the object. */
    <T> T handTo(Function<MemorySegment, T> owner) {
        T made = owner.apply(MemorySegment.ofAddress(address));
        owned = true;
        return made;
    }

    /** Releases the object if it was created and has no owner. */
    void releaseUnlessOwned() {
        if (address != 0 && !owned) {
            releaseOrBecomeOrphan();
        }
    }

    private void releaseOrBecomeOrphan() {
        boolean released = false;
        try {
            release.accept(MemorySegment.ofAddress(address));
            released = true;
        } finally {
            if (!released) {
                becomeOrphan();
            }
        }
    }

    private void becomeOrphan() {
        // Not an atomic reference: the JVM would link its compareAndSet at the first call, which a full heap can
        // forbid.
        synchronized (NewHandle.class) {
            next = firstOrphan;
            firstOrphan = this;
        }
        RELEASE.schedule(RELEASE_NANOS);
    }

    /** Releases the objects without an owner. One that cannot be released keeps no other from it. */
    private static void releaseOrphans() {
        for (NewHandle orphan = takeOrphans(); orphan != null; ) {
            NewHandle following = orphan.next;
            try {
                orphan.releaseOrBecomeOrphan();
            } catch (OutOfMemoryError e) {
                // It is an orphan again.
            }
            orphan = following;
        }
    }

    private static synchronized @Nullable NewHandle takeOrphans() {
        NewHandle taken = firstOrphan;
        firstOrphan = null;
        return taken;
    }
}
