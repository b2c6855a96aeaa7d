package dev.mlxnative;

import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/** Waiting for fences, whose code may block as it likes: each wait has a thread, for as long as it lasts. */
final class FenceWait {
    /** Platform threads, since a wait in native code would take a virtual one's carrier away from everybody. */
    private static final ThreadFactory THREADS =
            Thread.ofPlatform().daemon().name("mlx-fence-wait").factory();

    private FenceWait() {}

    /**
     * Waits until one of the fences is complete; false if none is in time, or all fail.
     *
     * @throws InterruptedException if the calling thread is interrupted meanwhile
     */
    static boolean anyOf(List<MlxFence> fences, long nanos) throws InterruptedException {
        List<Callable<Boolean>> waits = fences.stream()
                .<Callable<Boolean>>map(fence -> () -> isReached(fence))
                .toList();
        ExecutorService threads = Executors.newThreadPerTaskExecutor(THREADS);
        try {
            return threads.invokeAny(waits, nanos, TimeUnit.NANOSECONDS);
        } catch (ExecutionException | TimeoutException e) {
            return false;
        } finally {
            threads.shutdownNow();
        }
    }

    private static boolean isReached(MlxFence fence) throws InterruptedException {
        fence.await();
        return true;
    }

    /** Runs one of these on another thread: once the fence is complete, or once waiting for it has failed. */
    static void then(MlxFence fence, Runnable complete, Consumer<Throwable> failed) {
        THREADS.newThread(() -> {
                    try {
                        fence.await();
                    } catch (Throwable e) {
                        failed.accept(e);
                        return;
                    }
                    complete.run();
                })
                .start();
    }
}
