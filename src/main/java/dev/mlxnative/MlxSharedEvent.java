package dev.mlxnative;

import dev.mlxnative.internal.device.EventFence;
import dev.mlxnative.internal.device.RefCountedHandle;
import dev.mlxnative.internal.shim.Shim;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;

/**
 * A counter that CPU and GPU raise and wait for: {@code MTLSharedEvent}.
 *
 * <p>Encode a signal of the next value after the GPU work that uses a buffer, and release the buffer with the fence
 * {@link #at} that value.
 *
 * <p>Keep the event or one of its fences reachable until the GPU work is encoded: {@link LeakDetection} closes an event
 * that is unreachable.
 */
public final class MlxSharedEvent implements AutoCloseable {
    private final RefCountedHandle handle;
    private final Cleaner.Cleanable watch;
    /** A step requests the same fence many times. One object for all lets a pool park their memory in one batch. */
    private volatile @Nullable EventFence latest;

    /** Takes over a handle, which stays the caller's if this fails. */
    MlxSharedEvent(MemorySegment handle, DeviceLeaks leaks) {
        this.handle = new RefCountedHandle("event", handle, Shim::releaseEvent);
        this.watch = leaks.watch(this, "an event", this.handle::close);
    }

    /**
     * The value that was signalled last, by the CPU or the GPU; 0 at first.
     *
     * @throws IllegalStateException if the event is closed
     */
    public long signaledValue() {
        try { // the cleaner closes an event that is garbage, also during its last call
            handle.requireOpen();
            return EventFence.signaledValue(handle);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Raises the value and wakes the threads that wait for it.
     *
     * @throws IllegalArgumentException if the value is below the current one
     * @throws IllegalStateException if the event is closed
     */
    public void signal(long value) {
        requireValue(value);
        handle.requireOpen();
        try {
            handle.use(event -> signal(event, value));
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    private static boolean signal(MemorySegment event, long value) {
        if (!Shim.signal(event, value)) {
            throw new IllegalArgumentException(
                    "an event's value only rises: it is " + Shim.signaledValue(event) + " and cannot become " + value);
        }
        return true;
    }

    /**
     * The fence that is complete once the value is at least {@code value}. It costs nothing until it is used and is not
     * closed. It keeps the event reachable. Memory that is parked with it keeps the event alive, also after
     * {@link #close}. Without such memory, the fence of a closed event throws {@link IllegalStateException}.
     *
     * @throws IllegalArgumentException if the value is negative
     * @throws IllegalStateException if the event is closed
     */
    public MlxFence at(long value) {
        requireValue(value);
        handle.requireOpen();
        EventFence fence = latest;
        if (fence == null || !fence.isAt(value)) {
            fence = new EventFence(handle, value, this);
            latest = fence;
        }
        return fence;
    }

    private static void requireValue(long value) {
        if (value < 0) {
            throw new IllegalArgumentException("an event's value is at least 0, not " + value);
        }
    }

    /**
     * The {@code id<MTLSharedEvent>} for the caller's own Metal calls; on {@link Backend#HOST} an opaque pointer. Valid
     * until the event is closed.
     *
     * @throws IllegalStateException if the event is closed
     */
    public MemorySegment handle() {
        handle.requireOpen();
        return handle.handle();
    }

    /** The handle with the count of its users. */
    RefCountedHandle countedHandle() {
        return handle;
    }

    /** Releases the event once no parked memory waits for it any more. Closing it again does nothing. */
    @Override
    public void close() {
        handle.close();
        watch.clean();
    }

    /** For a debugger: value and state. */
    @Override
    public String toString() {
        if (handle.isClosed() || !handle.tryAcquire()) {
            return "MlxSharedEvent[closed]";
        }
        try {
            return "MlxSharedEvent[" + Shim.signaledValue(handle.handle()) + "]";
        } finally {
            handle.release();
        }
    }
}
