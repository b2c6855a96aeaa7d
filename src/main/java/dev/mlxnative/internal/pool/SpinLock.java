package dev.mlxnative.internal.pool;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.LockSupport;

/**
 * A lock for critical sections that are short: twenty nanoseconds on a hit. A thread that finds it taken spins, then
 * sleeps in intervals: a spinning thread of higher priority could otherwise keep the owner from running. Not reentrant,
 * not fair.
 *
 * <p>Without contention it costs half of a {@code ReentrantLock}, whose release is a full memory barrier too:
 * PERFORMANCE.md has the figures.
 */
abstract class SpinLock extends Padding implements Lock {
    private static final VarHandle LOCKED;

    static {
        try {
            LOCKED = MethodHandles.lookup().findVarHandle(SpinLock.class, "locked", boolean.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private static final int SPINS = 100;
    private static final long SLEEP_NANOS = 1_000;

    @SuppressWarnings("unused") // through LOCKED
    private boolean locked;

    @Override
    public final void lock() {
        if (!tryLock()) {
            lockContended();
        }
    }

    private void lockContended() {
        int attempts = 0;
        while (isLocked() || !tryLock()) {
            if (++attempts < SPINS) {
                Thread.onSpinWait();
            } else {
                LockSupport.parkNanos(SLEEP_NANOS);
            }
        }
    }

    @Override
    public final boolean tryLock() {
        return LOCKED.compareAndSet(this, false, true);
    }

    @Override
    public final void unlock() {
        LOCKED.setRelease(this, false);
    }

    /** Whether a thread holds the lock at this moment. */
    final boolean isLocked() {
        return (boolean) LOCKED.getOpaque(this);
    }

    /** Not supported: critical sections are too short to be interrupted. */
    @Override
    public final void lockInterruptibly() {
        throw new UnsupportedOperationException("a spin lock is held too shortly to wait interruptibly");
    }

    /** Not supported: critical sections are too short for a time limit. */
    @Override
    public final boolean tryLock(long time, TimeUnit unit) {
        throw new UnsupportedOperationException("a spin lock is held too shortly to wait with a time limit");
    }

    /** Not supported. */
    @Override
    public final Condition newCondition() {
        throw new UnsupportedOperationException("a spin lock has no conditions");
    }
}
