package dev.mlxnative.internal.compute;

import dev.mlxnative.internal.device.EventFence;
import dev.mlxnative.internal.device.RefCountedHandle;

/**
 * How far the command buffers of a queue are. They have serial numbers from 1 on, in the order of their commits, and
 * complete in that order. The shared event of the queue has the number of the last one that is complete. Thread-safe.
 */
final class QueueProgress {
    private final RefCountedHandle event;
    /** The last known value of the event. The largest number once the event is released. */
    private volatile long completed;

    QueueProgress(RefCountedHandle event) {
        this.event = event;
    }

    RefCountedHandle event() {
        return event;
    }

    /** Whether a command buffer is known to be complete, without a native call. */
    boolean isKnownComplete(long serial) {
        return serial <= completed;
    }

    /** Whether a command buffer is complete. */
    boolean isComplete(long serial) {
        if (serial <= completed) {
            return true;
        }
        if (event.tryAcquire()) {
            try {
                // A smaller value than another thread's only has the event asked again.
                completed = EventFence.signaledValue(event);
            } finally {
                event.release();
            }
        }
        return serial <= completed;
    }

    /** Waits for a command buffer that is committed. */
    void await(long serial) throws InterruptedException {
        if (serial <= completed || !event.tryAcquire()) {
            return;
        }
        try {
            new EventFence(event, serial, this).await();
        } finally {
            event.release();
        }
    }

    /** Releases the event. All command buffers are complete, and there will be no more. */
    void close() {
        completed = Long.MAX_VALUE - 1;
        event.close();
    }
}
