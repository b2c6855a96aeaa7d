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
    private long address;
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
        MemorySegment segment = null;
        try {
            segment = MemorySegment.ofAddress(address);
            return segment;
        } finally {
            if (segment == null) {
                becomeOrphan();
            }
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
        MemorySegment segment;
        try {
            segment = MemorySegment.ofAddress(address);
        } catch (OutOfMemoryError e) {
            becomeOrphan();
            return;
        }
        release.accept(segment);
    }
}
