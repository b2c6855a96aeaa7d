package dev.mlxnative.internal.background;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Runs short tasks after a delay, one after another on one daemon thread. The thread starts when a task waits, and ends
 * two seconds after the last one: an idle timer has no thread, and keeps no class loader reachable. Thread-safe.
 *
 * <p>The timer refers to a task only while the task waits or runs. Scheduling and cancelling allocate nothing but the
 * thread, take a time that is constant, and leave the timer intact whatever error ends them.
 */
public final class DaemonTimer {
    /** How long the thread waits for the next task. */
    private static final long LINGER_NANOS = TimeUnit.SECONDS.toNanos(2);
    /** How long a process that had no thread left is not asked for one. */
    private static final long START_INTERVAL_NANOS = TimeUnit.SECONDS.toNanos(1);
    /** Sums of this and a time do not overflow. */
    private static final long MAX_DELAY_NANOS = Long.MAX_VALUE / 2;

    private static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    private static final DaemonTimer SHARED = new DaemonTimer(code -> DaemonThreads.run("mlx-timer", code));

    static {
        // Initialises the JDK's classes for it: the first thread may be needed because the heap is full.
        DaemonThreads.unstarted("mlx-timer", () -> {});
    }

    /** A task of this timer, which can be scheduled again and again. The timer's monitor guards its fields. */
    public final class Task {
        private final Runnable action;
        private boolean waits;
        private long dueNanos;
        private @Nullable Task previous;
        private @Nullable Task next;

        private Task(Runnable action) {
            this.action = action;
        }

        /**
         * Has the action run after a delay, and not at the time of an earlier call.
         *
         * @return whether the timer has a thread. If the process can have no more threads, the task waits for one,
         *     which a later call for any task starts.
         */
        public boolean schedule(long delayNanos) {
            return DaemonTimer.this.schedule(this, delayNanos);
        }

        /** Makes an earlier {@link #schedule} void. The action may be running, and then goes on. */
        public void cancel() {
            DaemonTimer.this.cancel(this);
        }
    }

    private final Consumer<Runnable> threads;

    /** The tasks that wait, in no order: there is about one for each pool. */
    @GuardedBy("this")
    private @Nullable Task first;

    @GuardedBy("this")
    private boolean hasThread;

    /** When the thread wakes up by itself. */
    @GuardedBy("this")
    private long wakeNanos;

    /** When a task last began or ceased to wait. */
    @GuardedBy("this")
    private long usedNanos;

    @GuardedBy("this")
    private boolean startFailed;

    @GuardedBy("this")
    private long failedNanos;

    /**
     * A timer of its own.
     *
     * @param threads starts a thread that runs the code, or throws an {@link OutOfMemoryError}
     */
    public DaemonTimer(Consumer<Runnable> threads) {
        this.threads = threads;
    }

    /** The timer of this class loader. */
    public static DaemonTimer shared() {
        return SHARED;
    }

    /** Makes a task that waits for its first {@link Task#schedule}. The action reports its failures itself. */
    public Task task(Runnable action) {
        return new Task(action);
    }

    /** Repeats an attempt every 10 ms until it returns true. One that throws is repeated too. */
    public void retry(BooleanSupplier attempt) {
        var retry = new Runnable() {
            private final Task task = task(this);

            @Override
            public void run() {
                boolean done = false;
                try {
                    done = attempt.getAsBoolean();
                } finally {
                    if (!done) {
                        task.schedule(RETRY_NANOS);
                    }
                }
            }
        };
        retry.task.schedule(RETRY_NANOS);
    }

    private synchronized boolean schedule(Task task, long delayNanos) {
        long now = System.nanoTime();
        boolean served = hasThread || startThread(now);
        long dueNanos = now + Math.min(delayNanos, MAX_DELAY_NANOS);
        if (dueNanos - wakeNanos < 0) {
            notifyAll();
        }
        // No call can fail from here on.
        task.dueNanos = dueNanos;
        usedNanos = now;
        if (!task.waits) {
            task.waits = true;
            task.next = first;
            if (first != null) {
                first.previous = task;
            }
            first = task;
        }
        return served;
    }

    @GuardedBy("this")
    private boolean startThread(long now) {
        if (startFailed && now - failedNanos < START_INTERVAL_NANOS) {
            return false;
        }
        try {
            threads.accept(this::runTasks);
            hasThread = true;
            startFailed = false;
        } catch (OutOfMemoryError e) {
            startFailed = true;
            failedNanos = now;
        }
        return hasThread;
    }

    private synchronized void cancel(Task task) {
        if (task.waits) {
            usedNanos = System.nanoTime();
            // The thread looks whether a task is left to wait for.
            notifyAll();
            unlink(task);
        }
    }

    @GuardedBy("this")
    private void unlink(Task task) {
        if (task.previous == null) {
            first = task.next;
        } else {
            task.previous.next = task.next;
        }
        if (task.next != null) {
            task.next.previous = task.previous;
        }
        task.previous = null;
        task.next = null;
        task.waits = false;
    }

    private void runTasks() {
        boolean more = true;
        while (more) {
            more = runNext();
        }
    }

    /** Waits for the next task and runs it; false if the thread is to end. */
    private boolean runNext() {
        try {
            Task due = awaitDue();
            if (due == null) {
                return false;
            }
            due.action.run();
        } catch (Throwable e) {
            // The other tasks are run all the same.
        }
        return true;
    }

    private synchronized @Nullable Task awaitDue() {
        Task due = takeDue();
        while (due == null) {
            long pause = wakeNanos - System.nanoTime();
            if (first == null && pause <= 0) {
                hasThread = false;
                return null;
            }
            try {
                TimeUnit.NANOSECONDS.timedWait(this, pause);
            } catch (InterruptedException e) {
                // An interrupt by foreign code has no meaning here.
            }
            due = takeDue();
        }
        return due;
    }

    /** Takes the task that is due longest; null if none is, and then sets when the next one is, or the thread ends. */
    @GuardedBy("this")
    private @Nullable Task takeDue() {
        long now = System.nanoTime();
        wakeNanos = first == null ? usedNanos + LINGER_NANOS : now + MAX_DELAY_NANOS;
        Task earliest = null;
        for (Task task = first; task != null; task = task.next) {
            if (task.dueNanos - wakeNanos < 0) {
                wakeNanos = task.dueNanos;
                earliest = task;
            }
        }
        if (earliest == null || earliest.dueNanos - now > 0) {
            return null;
        }
        unlink(earliest);
        usedNanos = now;
        return earliest;
    }
}
