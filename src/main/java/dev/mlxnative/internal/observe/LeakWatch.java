package dev.mlxnative.internal.observe;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import dev.mlxnative.LeakDetection;
import dev.mlxnative.internal.background.DaemonThreads;
import dev.mlxnative.internal.background.Log;
import java.lang.ref.Cleaner;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A watch over an object that a program has to close: ends the object when its holder is unreachable. Thread-safe.
 *
 * <p>An attempt to end the object may fail, because a native call uses it, or a logger throws, or the heap is full. The
 * watch then tries again after the next garbage collection.
 */
public final class LeakWatch implements Runnable {
    /** A prime: it never falls into step with a program that requests the same buffers again and again. */
    private static final int SAMPLING_INTERVAL = 509;

    /**
     * Watches whose attempt has failed, linked by {@link #next}, so that adding one needs no heap. An atomic reference
     * would: the JVM links its {@code compareAndSet} at the first call.
     */
    private static volatile @Nullable LeakWatch firstPostponed;

    private static final Runnable RETRY = LeakWatch::retryPostponed;

    /** Null before the first watch. Its thread ends when this class is unreachable. */
    private static volatile @Nullable Cleaner cleaner;

    private final Object watched;
    private final BooleanSupplier end;

    @GuardedBy("LeakWatch.class")
    private boolean postponed;

    @GuardedBy("LeakWatch.class")
    private @Nullable LeakWatch next;

    private volatile boolean failureLogged;

    /**
     * A watch that has not started.
     *
     * @param watched the object, for the log. It must not keep the holder reachable
     * @param end ends the object, unless it has ended; false if that is to be tried again. It must not keep the holder
     *     reachable
     */
    public LeakWatch(Object watched, BooleanSupplier end) {
        this.watched = watched;
        this.end = end;
    }

    /**
     * Watches until {@code holder} is unreachable. The thread that ends the object cleans the result: leaving that to
     * the garbage collector costs more than a stack trace.
     */
    public Cleaner.Cleanable start(Object holder) {
        if (firstPostponed != null) {
            scheduleRetry();
        }
        return cleaner().register(holder, this);
    }

    /** The cleaner of this class loader, which is made here and not in an initialiser: that could fail for good. */
    private static Cleaner cleaner() {
        Cleaner made = cleaner;
        return made != null ? made : makeCleaner();
    }

    private static synchronized Cleaner makeCleaner() {
        Cleaner made = cleaner;
        if (made == null) {
            made = Cleaner.create(code -> DaemonThreads.unstarted("mlx-leak-detector", code));
            cleaner = made;
        }
        return made;
    }

    /** Whether an object that begins is one of the sample that a level of detection takes. */
    public static boolean samples(LeakDetection level) {
        return switch (level) {
            case OFF -> false;
            case SAMPLED -> ThreadLocalRandom.current().nextInt(SAMPLING_INTERVAL) == 0;
            case FULL -> true;
        };
    }

    /** Ends the object. Called when the holder is unreachable, and by the thread that has ended the object. */
    @Override
    public void run() {
        boolean done = false;
        try {
            done = end.getAsBoolean();
        } catch (Throwable e) { // the cleaner would forget the object
            logFailure(e);
        } finally {
            if (!done) {
                postpone();
            }
        }
    }

    private void logFailure(Throwable failure) {
        if (failureLogged) {
            return;
        }
        failureLogged = true;
        try {
            Log.warn(
                    "the leak detector failed for " + watched + "; it tries again after the next garbage collection",
                    failure);
        } catch (Throwable dropped) {
            // The heap may be full: the next attempt is what counts.
        }
    }

    private void postpone() {
        synchronized (LeakWatch.class) {
            if (!postponed) {
                postponed = true;
                next = firstPostponed;
                firstPostponed = this;
            }
        }
        scheduleRetry();
    }

    private static synchronized @Nullable LeakWatch takePostponed() {
        LeakWatch first = firstPostponed;
        firstPostponed = null;
        return first;
    }

    /** Takes the first watch off a chain, and returns the one after it. */
    private @Nullable LeakWatch unchain() {
        synchronized (LeakWatch.class) {
            LeakWatch following = next;
            next = null;
            postponed = false;
            return following;
        }
    }

    /** Has the cleaner try again after the next garbage collection. */
    private static void scheduleRetry() {
        try {
            cleaner().register(new Object(), RETRY);
        } catch (VirtualMachineError e) {
            // The next watch that starts schedules it.
        }
    }

    private static void retryPostponed() {
        LeakWatch watch = takePostponed();
        while (watch != null) {
            LeakWatch following = watch.unchain();
            watch.run();
            watch = following;
        }
    }
}
