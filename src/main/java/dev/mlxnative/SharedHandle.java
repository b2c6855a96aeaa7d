package dev.mlxnative;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * A native handle with several users. It is destroyed once: by the last user, after its owner has closed it.
 *
 * <p>Every use is bracketed by {@link #acquire} and {@link #release}, so no call ever reaches a handle that another
 * thread has just given back.
 */
final class SharedHandle {
    private final String noun;
    private final MemorySegment handle;
    private final Consumer<MemorySegment> destroy;
    /** The owner counts as one user until it closes; 0 means destroyed. */
    private final AtomicInteger users = new AtomicInteger(1);

    private final AtomicBoolean closed = new AtomicBoolean();

    SharedHandle(String noun, MemorySegment handle, Consumer<MemorySegment> destroy) {
        this.noun = noun;
        this.handle = handle;
        this.destroy = destroy;
    }

    /**
     * Begins a use, which is possible while anyone else still uses the handle, closed or not.
     *
     * @throws IllegalStateException if it has been destroyed
     */
    MemorySegment acquire() {
        if (!tryAcquire()) {
            throw new IllegalStateException("the " + noun + " is closed");
        }
        return handle;
    }

    /** As {@link #acquire}, but false if it has been destroyed. */
    boolean tryAcquire() {
        int count;
        do {
            count = users.get();
            if (count == 0) {
                return false;
            }
        } while (!users.compareAndSet(count, count + 1));
        return true;
    }

    /**
     * A single use, for the time of one call.
     *
     * @throws IllegalStateException if it has been destroyed
     */
    <T> T use(Function<MemorySegment, T> call) {
        MemorySegment acquired = acquire();
        try {
            return call.apply(acquired);
        } finally {
            release();
        }
    }

    void release() {
        if (users.decrementAndGet() == 0) {
            destroy.accept(handle);
        }
    }

    /** The owner's last word; a second one does nothing. */
    void close() {
        if (closed.compareAndSet(false, true)) {
            release();
        }
    }

    /** @throws IllegalStateException if the owner has closed it */
    void requireOpen() {
        if (closed.get()) {
            throw new IllegalStateException("the " + noun + " is closed");
        }
    }

    boolean isClosed() {
        return closed.get();
    }

    /** The handle itself, for a caller who has acquired it or only looks at the address. */
    MemorySegment handle() {
        return handle;
    }
}
