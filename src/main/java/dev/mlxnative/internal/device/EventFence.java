package dev.mlxnative.internal.device;

import dev.mlxnative.internal.background.DaemonThreads;
import dev.mlxnative.internal.shim.Shim;
import java.lang.ref.Reference;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/** A fence that is complete once a shared event has reached a value. */
public final class EventFence implements RetainedFence {
    /** How long a wait stays in native code, where a thread does not notice an interrupt. */
    private static final long WAIT_SLICE_MILLIS = 50;

    private final RefCountedHandle event;
    private final long value;
    /** The event is closed when its owner is garbage, so the fence keeps the owner reachable. */
    private final Object owner;

    /**
     * A fence that is complete once {@code event} has reached {@code value}.
     *
     * @param owner the owner of the event
     */
    public EventFence(RefCountedHandle event, long value, Object owner) {
        this.event = event;
        this.value = value;
        this.owner = owner;
    }

    /**
     * The value that was signalled last.
     *
     * @throws IllegalStateException if the event is destroyed
     */
    public static long signaledValue(RefCountedHandle event) {
        return event.use(Shim::signaledValue);
    }

    @Override
    public void retain() {
        try {
            event.acquire();
        } finally {
            Reference.reachabilityFence(owner);
        }
    }

    /** Whether the fence waits for this value. */
    public boolean isAt(long other) {
        return value == other;
    }

    @Override
    public void release() {
        event.release();
    }

    /** @throws IllegalStateException if the event is closed and no memory is parked with it */
    @Override
    public boolean isComplete() {
        try {
            return Long.compareUnsigned(signaledValue(event), value) >= 0;
        } finally {
            Reference.reachabilityFence(owner);
        }
    }

    /** @throws IllegalStateException once the event is closed and no memory is parked with it */
    @Override
    public void await() throws InterruptedException {
        if (Thread.currentThread().isVirtual()) {
            awaitOnPlatformThread();
        } else {
            awaitInNative();
        }
    }

    private void awaitInNative() throws InterruptedException {
        try {
            boolean reached = false;
            while (!reached) {
                if (Thread.interrupted()) {
                    throw new InterruptedException("interrupted while waiting for " + this);
                }
                reached = event.use(handle -> Shim.waitFor(handle, value, WAIT_SLICE_MILLIS));
            }
        } finally {
            Reference.reachabilityFence(owner);
        }
    }

    /** Waits on a thread of its own: a wait in native code would hold the carrier of a virtual thread. */
    private void awaitOnPlatformThread() throws InterruptedException {
        FutureTask<Void> wait = new FutureTask<>(() -> {
            awaitInNative();
            return null;
        });
        DaemonThreads.run("mlx-fence-wait", wait);
        try {
            wait.get();
        } catch (InterruptedException e) {
            wait.cancel(true);
            throw e;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IllegalStateException closed) {
                throw closed;
            }
            throw new AssertionError("waiting fails only on a closed event", e);
        }
    }

    /** For a debugger: the value. */
    @Override
    public String toString() {
        return "MlxFence[at " + value + "]";
    }
}
