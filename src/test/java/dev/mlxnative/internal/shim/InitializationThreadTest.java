package dev.mlxnative.internal.shim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** {@code NativeLibraryTest} has the tests of a full heap and of an interrupt. */
class InitializationThreadTest {
    private static final int SMALL_STACK = 256 << 10;

    /** Calls that take more than the small stack, at 16 bytes or more for each. */
    private static final int CALLS = 3000;

    private static int calls(int n) {
        return n == 0 ? 0 : 1 + calls(n - 1);
    }

    /** Runs an action where the stack is all but full, again and again with a frame less until it does not overflow. */
    private static void onFullStack(Runnable action, AtomicInteger successes) {
        try {
            onFullStack(action, successes);
        } catch (StackOverflowError e) {
            // The caller's frame goes on.
        }
        if (successes.get() == 0) {
            action.run();
            successes.incrementAndGet();
        }
    }

    @Test
    void theActionHasAStackOfItsOwn() throws InterruptedException {
        AtomicInteger started = new AtomicInteger();
        AtomicInteger successes = new AtomicInteger();
        Runnable action = () -> InitializationThread.run(() -> {
            started.incrementAndGet();
            return calls(CALLS);
        });
        action.run();
        started.set(0);
        Thread thread = new Thread(null, () -> onFullStack(action, successes), "small stack", SMALL_STACK);
        thread.start();
        thread.join();
        assertThat(successes).hasValue(1);
        assertThat(started).as("the first action that starts also ends").hasValue(1);
    }

    @Test
    void aFailureKeepsItsTypeAndHasBothStackTraces() {
        for (Throwable failure : new Throwable[] {new IllegalStateException("one"), new OutOfMemoryError("two")}) {
            assertThatThrownBy(() -> InitializationThread.run(() -> {
                        if (failure instanceof Error error) {
                            throw error;
                        }
                        throw (RuntimeException) failure;
                    }))
                    .isSameAs(failure)
                    .satisfies(e -> assertThat(e.getStackTrace())
                            .extracting(StackTraceElement::getMethodName)
                            .contains("aFailureKeepsItsTypeAndHasBothStackTraces", "result", "addCallersTrace"));
        }
    }
}
