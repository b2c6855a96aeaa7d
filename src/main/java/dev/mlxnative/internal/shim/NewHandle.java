package dev.mlxnative.internal.shim;

import dev.mlxnative.internal.background.DaemonTimer;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A native object until Java has a segment for its handle. If the heap is full at that moment, the object is released a
 * little later.
 */
final class NewHandle {
    private static final AtomicReference<@Nullable NewHandle> ORPHANS = new AtomicReference<>();
    private static final DaemonTimer.Task RELEASE = DaemonTimer.shared().task(NewHandle::releaseOrphans);
    private static final long RELEASE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final Consumer<MemorySegment> release;
    /** 0 before the object is created. */
    private long address;

    private boolean returned;
    private @Nullable NewHandle next;

    /** Made before the object is created. */
    NewHandle(Consumer<MemorySegment> release) {
        this.release = release;
    }

    /** The object is created. */
    void created(long handle) {
        address = handle;
    }

    /** The handle; the caller then owns the object. */
    MemorySegment toSegment() {
        MemorySegment segment = MemorySegment.ofAddress(address);
        returned = true;
        return segment;
    }

    /** Has the object released a little later if it was created, and the caller has not received it. */
    void releaseUnlessReturned() {
        if (address != 0 && !returned) {
            becomeOrphan();
        }
    }

    private void becomeOrphan() {
        do {
            next = ORPHANS.get();
        } while (!ORPHANS.compareAndSet(next, this));
        RELEASE.schedule(RELEASE_NANOS);
    }

    /** Releases the objects that no caller has received. */
    private static void releaseOrphans() {
        for (NewHandle orphan = ORPHANS.getAndSet(null); orphan != null; ) {
            NewHandle following = orphan.next;
            orphan.releaseOrStay();
            orphan = following;
        }
    }

    private void releaseOrStay() {
        try {
            release.accept(MemorySegment.ofAddress(address));
        } catch (OutOfMemoryError e) {
            becomeOrphan();
        }
    }
}
