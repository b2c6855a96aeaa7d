package dev.mlxnative.internal.pool;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** The lock of a pool, and the changes under it that requests wait for. */
final class PoolLock extends SpinLock {
    /** Taken below this lock, or without it by a request that is about to sleep. */
    private final ReentrantLock sleepers = new ReentrantLock();

    private final Condition woken = sleepers.newCondition();

    /** Counts the changes that could help a request. */
    @GuardedBy("this")
    private long changes;

    /** Requests that sleep until the next change, or are about to. */
    @GuardedBy("this")
    private int waitingRequests;

    /** The count of changes when the requests were last woken. */
    @GuardedBy("sleepers")
    private long wokenAt;

    /** Records that something has changed that could help a request. */
    @GuardedBy("this")
    void signalChange() {
        changes++;
        if (waitingRequests > 0) {
            wake();
        }
    }

    @GuardedBy("this")
    private void wake() {
        sleepers.lock();
        try {
            wokenAt = changes;
            woken.signalAll();
        } finally {
            sleepers.unlock();
        }
    }

    @GuardedBy("this")
    long changes() {
        return changes;
    }

    /** Whether a request waits for a change. */
    @GuardedBy("this")
    boolean hasWaitingRequests() {
        return waitingRequests > 0;
    }

    /** Unlocks until there are other changes than those that were seen, or the time is over, and locks again. */
    @GuardedBy("this")
    void awaitChange(long changesSeen, long atMostNanos) throws InterruptedException {
        if (changes != changesSeen) {
            return;
        }
        waitingRequests++;
        unlock();
        try {
            sleep(changesSeen, atMostNanos);
        } finally {
            lock();
            waitingRequests--;
        }
    }

    private void sleep(long changesSeen, long atMostNanos) throws InterruptedException {
        sleepers.lock();
        try {
            long nanos = atMostNanos;
            while (wokenAt <= changesSeen && nanos > 0) {
                nanos = woken.awaitNanos(nanos);
            }
        } finally {
            sleepers.unlock();
        }
    }
}
