package dev.mlxnative;

import dev.mlxnative.internal.pool.PoolEngine;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The pool of a queue's scratch memory: one of the program, or one that is made at first use. Thread-safe. */
final class ScratchPool {
    private final Supplier<PoolEngine> maker;
    /** Whether the pool is closed with the queue. */
    private final boolean isOwn;

    private final ReentrantLock lock = new ReentrantLock();
    private volatile @Nullable PoolEngine pool;
    private boolean closed;

    private ScratchPool(Supplier<PoolEngine> maker, boolean isOwn, @Nullable PoolEngine pool) {
        this.maker = maker;
        this.isOwn = isOwn;
        this.pool = pool;
    }

    /** The pool of the program. */
    static ScratchPool of(PoolEngine pool) {
        return new ScratchPool(() -> pool, false, pool);
    }

    /** A pool of the queue's own. */
    static ScratchPool madeBy(Supplier<PoolEngine> maker) {
        return new ScratchPool(maker, true, null);
    }

    /**
     * The pool.
     *
     * @throws IllegalStateException if it is to be made, and the queue is closed
     */
    PoolEngine engine() {
        PoolEngine known = pool;
        return known != null ? known : make();
    }

    private PoolEngine make() {
        lock.lock();
        try {
            if (closed) {
                throw new IllegalStateException("the command queue is closed");
            }
            PoolEngine made = pool;
            if (made == null) {
                made = maker.get();
                pool = made;
            }
            return made;
        } finally {
            lock.unlock();
        }
    }

    /** Closes a pool of the queue's own. */
    void close() {
        lock.lock();
        try {
            closed = true;
        } finally {
            lock.unlock();
        }
        PoolEngine made = pool;
        if (isOwn && made != null) {
            made.close();
        }
    }
}
