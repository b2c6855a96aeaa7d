package dev.mlxnative.internal.shim;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A native object until Java has a segment for its handle. If the heap is full at that moment, the next creation of any
 * object releases it.
 */
final class NewHandle {
    private static final AtomicReference<@Nullable NewHandle> ORPHANS = new AtomicReference<>();

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
                leaveToNextCreation();
            }
        }
    }

    private void leaveToNextCreation() {
        do {
            next = ORPHANS.get();
        } while (!ORPHANS.compareAndSet(next, this));
    }

    /** Releases the objects that no caller has received. */
    static void releaseOrphans() {
        if (ORPHANS.get() == null) {
            return;
        }
        NewHandle orphan = ORPHANS.getAndSet(null);
        while (orphan != null) {
            NewHandle following = orphan.next;
            try {
                orphan.release.accept(MemorySegment.ofAddress(orphan.address));
                orphan = following;
            } catch (OutOfMemoryError e) {
                // The handles that are left, this one included, go back.
                for (; orphan != null; orphan = following) {
                    following = orphan.next;
                    orphan.leaveToNextCreation();
                }
                throw e;
            }
        }
    }
}
