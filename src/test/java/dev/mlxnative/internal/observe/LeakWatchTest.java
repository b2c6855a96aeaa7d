package dev.mlxnative.internal.observe;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.LeakDetection;
import dev.mlxnative.LogRecords;
import java.io.IOException;
import java.lang.ref.Cleaner;
import java.lang.ref.WeakReference;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class LeakWatchTest {
    @RegisterExtension
    final LogRecords log = new LogRecords();

    /** An object that a watch can end from the attempt with this number on. */
    private static final class Watched implements BooleanSupplier {
        private final int firstSuccess;
        private final Supplier<Boolean> failure;
        private final AtomicInteger attempts = new AtomicInteger();

        private Watched(int firstSuccess, Supplier<Boolean> failure) {
            this.firstSuccess = firstSuccess;
            this.failure = failure;
        }

        @Override
        public boolean getAsBoolean() {
            return attempts.incrementAndGet() >= firstSuccess || failure.get();
        }

        @Override
        public String toString() {
            return "an object";
        }
    }

    /**
     * Watches an object without a holder. The method exists so that no variable of a test keeps the holder reachable.
     */
    private static void watchDropped(Watched watched) {
        new LeakWatch(watched, watched).start(new Object());
    }

    private static void collectUntilAttempt(Watched watched, int attempt) {
        collectUntil(() -> watched.attempts.get() >= attempt);
    }

    private static void collectUntil(BooleanSupplier condition) {
        while (!condition.getAsBoolean()) {
            System.gc();
            pause();
        }
    }

    private static void pause() {
        try {
            TimeUnit.MILLISECONDS.sleep(5);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void anObjectThatCannotBeEndedYetIsTriedAgain() {
        var watched = new Watched(3, () -> false);
        watchDropped(watched);
        collectUntilAttempt(watched, 3);
        var later = new Watched(1, () -> false);
        watchDropped(later);
        collectUntilAttempt(later, 1);
        assertThat(watched.attempts).as("not again once it has ended").hasValue(3);
    }

    @Test
    void anAttemptThatThrowsIsLoggedOnceAndRepeated() {
        for (Throwable failure : new Throwable[] {
            new IllegalStateException("mine"), new OutOfMemoryError("mine"), new StackOverflowError("mine")
        }) {
            var watched = new Watched(3, () -> {
                throw sneaky(failure);
            });
            watchDropped(watched);
            collectUntilAttempt(watched, 3);
        }
        assertThat(log.with("the leak detector failed for an object; it tries again after the next garbage collection"))
                .hasSize(3);
        assertThat(log.origins()).extracting(Throwable::getMessage).containsOnly("mine");
    }

    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <E extends Throwable> RuntimeException sneaky(Throwable failure) throws E {
        throw (E) failure;
    }

    @Test
    void aLoggerThatThrowsLosesNoObject() {
        Handler broken = new Handler() {
            @Override
            public void publish(LogRecord record) {
                throw new IllegalStateException("a broken handler");
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        Logger logger = Logger.getLogger("dev.mlxnative");
        logger.addHandler(broken);
        try {
            var watched = new Watched(2, () -> {
                throw new IllegalStateException("mine");
            });
            watchDropped(watched);
            collectUntilAttempt(watched, 2);
        } finally {
            logger.removeHandler(broken);
        }
        log.with("the leak detector failed");
    }

    @Test
    void anObjectWithAHolderIsLeftAlone() {
        var watched = new Watched(1, () -> false);
        Object holder = new Object();
        Cleaner.Cleanable watch = new LeakWatch(watched, watched).start(holder);
        var dropped = new Watched(1, () -> false);
        watchDropped(dropped);
        collectUntilAttempt(dropped, 1);
        assertThat(watched.attempts).hasValue(0);
        watch.clean();
        watch.clean();
        assertThat(watched.attempts).hasValue(1);
    }

    @Test
    void theLevelDecidesTheSample() {
        int samples = 0;
        for (int i = 0; i < 50_900; i++) {
            assertThat(LeakWatch.samples(LeakDetection.OFF)).isFalse();
            assertThat(LeakWatch.samples(LeakDetection.FULL)).isTrue();
            samples += LeakWatch.samples(LeakDetection.SAMPLED) ? 1 : 0;
        }
        assertThat(samples).as("about 100").isBetween(40, 200);
    }

    /** A thread of the detector that has nothing left to watch must not keep the classes of an application loaded. */
    @Test
    void aClassLoaderWithoutWatchedObjectsCanBeUnloaded() throws Exception {
        AtomicBoolean ended = new AtomicBoolean();
        WeakReference<ClassLoader> loader = watchInAnotherLoader(ended);
        collectUntil(ended::get);
        collectUntil(() -> loader.refersTo(null));
    }

    private static WeakReference<ClassLoader> watchInAnotherLoader(AtomicBoolean ended)
            throws IOException, ReflectiveOperationException {
        URL classes = LeakWatch.class.getProtectionDomain().getCodeSource().getLocation();
        ClassLoader before = Thread.currentThread().getContextClassLoader();
        try (var loader = new URLClassLoader(new URL[] {classes}, ClassLoader.getPlatformClassLoader())) {
            Thread.currentThread().setContextClassLoader(loader);
            Class<?> type = loader.loadClass(LeakWatch.class.getName());
            assertThat(type.getClassLoader()).isSameAs(loader);
            BooleanSupplier end = () -> {
                ended.set(true);
                return true;
            };
            Object watch = type.getConstructor(Object.class, BooleanSupplier.class)
                    .newInstance("an object of another loader", end);
            type.getMethod("start", Object.class).invoke(watch, new Object());
            return new WeakReference<>(loader);
        } finally {
            Thread.currentThread().setContextClassLoader(before);
        }
    }
}
