package dev.mlxnative.internal.background;

import java.util.concurrent.locks.ReentrantLock;

/** A lock that a thread takes only with enough room on its stack for a short critical section and the unlock. */
public final class StackSafeLock extends ReentrantLock {
    private static final long serialVersionUID = 1;

    /** @throws StackOverflowError if the stack has too little room; the lock is not taken then */
    @Override
    public void lock() {
        StackReserve.require();
        super.lock();
    }
}
