package dev.mlxnative.internal.shim;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A thread for code that initialises classes. Java runs the initialiser of a class once: if a
 * {@link StackOverflowError} or an {@link OutOfMemoryError} ends it, the class is unusable for the life of its class
 * loader, even a class of the JDK. The thread has a stack of its own, however deep its caller is, and its action starts
 * only if the heap has room.
 *
 * <p>The caller's side uses no lambda and no string concatenation, because these initialise classes on first use.
 */
final class InitializationThread<T> extends Thread {
    private static final long STACK_BYTES = 1 << 20;

    /** Pieces of the heap that have to be free: small ones, which need no contiguous room. */
    private static final int RESERVE_PIECES = 64;

    private static final int PIECE_BYTES = 32 << 10;

    private final Supplier<T> action;
    private @Nullable T result;
    private @Nullable Throwable failure;

    private InitializationThread(Supplier<T> action) {
        super(null, null, "mlx-native-initialization", STACK_BYTES, false);
        this.action = action;
        setDaemon(true);
    }

    /**
     * Runs the action in a new thread, and returns its result or throws its exception. An interrupt does not end the
     * wait, and stays set.
     *
     * @throws OutOfMemoryError before the action begins, if the heap has no room for it or there can be no new thread
     */
    static <T> T run(Supplier<T> action) {
        InitializationThread<T> thread = new InitializationThread<>(action);
        thread.start();
        thread.joinUninterruptibly();
        return thread.result();
    }

    @Override
    public void run() {
        try {
            reserveHeap();
            result = action.get();
        } catch (Throwable e) {
            failure = e;
        }
    }

    private static void reserveHeap() {
        byte[][] reserve = new byte[RESERVE_PIECES][];
        for (int i = 0; i < reserve.length; i++) {
            reserve[i] = new byte[PIECE_BYTES];
        }
    }

    private void joinUninterruptibly() {
        boolean interrupted = false;
        while (isAlive()) {
            try {
                join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private T result() {
        if (failure != null) {
            addCallersTrace(failure);
        }
        if (failure instanceof Error error) {
            throw error;
        }
        if (failure instanceof RuntimeException exception) {
            throw exception;
        }
        T value = result;
        if (value == null) {
            throw new AssertionError("the action has no result");
        }
        return value;
    }

    /** Puts the stack trace of the calling thread below that of this thread. */
    private static void addCallersTrace(Throwable failure) {
        StackTraceElement[] own = failure.getStackTrace();
        StackTraceElement[] caller = new Throwable().getStackTrace();
        StackTraceElement[] all = new StackTraceElement[own.length + caller.length];
        System.arraycopy(own, 0, all, 0, own.length);
        System.arraycopy(caller, 0, all, own.length, caller.length);
        failure.setStackTrace(all);
    }
}
