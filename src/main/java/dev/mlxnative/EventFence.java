package dev.mlxnative;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/** A value that a shared event is to reach. */
final class EventFence implements RetainedFence {
    /** A thread in native code does not see that it was interrupted: it comes up to look this often. */
    private static final long WAIT_SLICE_MILLIS = 50;

    private final SharedHandle event;
    private final long value;

    EventFence(SharedHandle event, long value) {
        this.event = event;
        this.value = value;
    }

    static long signaledValue(SharedHandle event) {
        return event.use(Shim::signaledValue);
    }

    @Override
    public void retain() {
        event.acquire();
    }

    boolean isAt(long other) {
        return value == other;
    }

    @Override
    public void release() {
        event.release();
    }

    /** @throws IllegalStateException if the event is closed and no buffer is parked with it */
    @Override
    public boolean isComplete() {
        return Long.compareUnsigned(signaledValue(event), value) >= 0;
    }

    /** @throws IllegalStateException if the event is closed and no buffer is parked with it, from then on */
    @Override
    public void await() throws InterruptedException {
        if (Thread.currentThread().isVirtual()) {
            awaitOnPlatformThread();
        } else {
            awaitInNative();
        }
    }

    private void awaitInNative() throws InterruptedException {
        boolean reached = false;
        while (!reached) {
            if (Thread.interrupted()) {
                throw new InterruptedException("interrupted while waiting for " + this);
            }
            reached = event.use(handle -> Shim.waitFor(handle, value, WAIT_SLICE_MILLIS));
        }
    }

    /** A wait in native code holds its thread; a virtual thread's carrier has others to run. */
    private void awaitOnPlatformThread() throws InterruptedException {
        FutureTask<Void> wait = new FutureTask<>(() -> {
            awaitInNative();
            return null;
        });
        Background.run("mlx-fence-wait", wait);
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

    /** For people: what it waits for. */
    @Override
    public String toString() {
        return "MlxFence[at " + value + "]";
    }
}
