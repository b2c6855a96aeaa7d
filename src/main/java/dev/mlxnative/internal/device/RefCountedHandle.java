package dev.mlxnative.internal.device;

import dev.mlxnative.internal.background.DaemonTimer;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * A native handle with a count of its users, one of which is the owner until it closes the handle. The last user
 * destroys it.
 *
 * <p>Every use lies between {@link #acquire} and {@link #release}, so no call reaches a handle that another thread has
 * destroyed. Thread-safe.
 */
public final class RefCountedHandle {
    private static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final String noun;
    private final MemorySegment handle;
    private final Consumer<MemorySegment> destroy;
    /** 0 once the handle is destroyed. */
    private final AtomicInteger users = new AtomicInteger(1);

    private final AtomicBoolean closed = new AtomicBoolean();
    private final DaemonTimer.Task retry = DaemonTimer.shared().task(this::destroy);

    /**
     * Takes over a handle, which stays the caller's if this fails.
     *
     * @param noun what exceptions call the object: {@code "event"}
     * @param destroy called once, by the thread of the last user
     */
    public RefCountedHandle(String noun, MemorySegment handle, Consumer<MemorySegment> destroy) {
        this.noun = noun;
        this.handle = handle;
        this.destroy = destroy;
    }

    /**
     * Begins a use. That is possible while another user is left, even if the owner has closed the handle.
     *
     * @throws IllegalStateException if the handle is destroyed
     */
    public MemorySegment acquire() {
        if (!tryAcquire()) {
            throw new IllegalStateException("the " + noun + " is closed");
        }
        return handle;
    }

    /** As {@link #acquire}, but returns false if the handle is destroyed. */
    public boolean tryAcquire() {
        int count;
        do {
            count = users.get();
            if (count <= 0) {
                return false;
            }
        } while (!users.compareAndSet(count, count + 1));
        return true;
    }

    /**
     * Makes one call as a user.
     *
     * @throws IllegalStateException if the handle is destroyed
     */
    public <T> T use(Function<MemorySegment, T> call) {
        MemorySegment acquired = acquire();
        try {
            return call.apply(acquired);
        } finally {
            release();
        }
    }

    /** Ends a use. */
    public void release() {
        if (users.decrementAndGet() == 0) {
            destroy();
        }
    }

    /** Destroys the handle: later if the heap has no room for the call. */
    private void destroy() {
        try {
            destroy.accept(handle);
        } catch (OutOfMemoryError e) {
            retry.schedule(RETRY_NANOS);
        }
    }

    /** Ends the owner's use; false if the owner has ended it before, and then nothing happens. */
    public boolean close() {
        boolean closing = closed.compareAndSet(false, true);
        if (closing) {
            release();
        }
        return closing;
    }

    /**
     * Checks that the owner has not closed the handle.
     *
     * @throws IllegalStateException if it has
     */
    public void requireOpen() {
        if (closed.get()) {
            throw new IllegalStateException("the " + noun + " is closed");
        }
    }

    /** Whether the owner has closed the handle. */
    public boolean isClosed() {
        return closed.get();
    }

    /** The handle, for a caller that has acquired it or needs the address alone. */
    public MemorySegment handle() {
        return handle;
    }
}
