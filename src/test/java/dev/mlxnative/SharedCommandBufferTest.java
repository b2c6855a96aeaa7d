package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Threads that use one command buffer at once: an operation has all of its effect, or throws and has none. */
@Tag("contract")
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NeedsKernelCompiler
@ParameterizedClass
@EnumSource(Sizing.class)
class SharedCommandBufferTest {
    private static final int THREADS = 4;
    private static final int ROUNDS = 4_000;
    private static final int MOST_COMMANDS = 200;

    private final MlxDevice device = MlxDevice.open();
    private final MlxLibrary library = device.compile(Kernels.SOURCE);
    private final MlxKernel increment = library.kernel("increment");
    private final MlxBufferPool pool;
    private final MlxCommandQueue queue;

    SharedCommandBufferTest(Sizing sizing) {
        pool = MlxBufferPool.builder(device).sizing(sizing).build();
        queue = device.newCommandQueue(pool);
    }

    @AfterEach
    void close() {
        queue.close();
        pool.close();
        increment.close();
        library.close();
        device.close();
    }

    private MlxBuffer zero() {
        MlxBuffer buffer = pool.alloc(DType.I32, 1);
        buffer.segment().fill((byte) 0);
        return buffer;
    }

    /** A command buffer, and the dispatches that were added to it. */
    private static final class Shared {
        private final MlxCommandBuffer commands;
        private final AtomicInteger added = new AtomicInteger();
        private volatile boolean isCommitted;

        private Shared(MlxCommandBuffer commands) {
            this.commands = commands;
        }
    }

    private final ConcurrentLinkedQueue<Shared> all = new ConcurrentLinkedQueue<>();
    private volatile Shared current;

    private void replace() {
        Shared next = new Shared(queue.newCommandBuffer());
        all.add(next);
        current = next;
    }

    @Test
    void everyDispatchRunsOnceOrIsRefused() throws Exception {
        MlxBuffer values = zero();
        replace();
        List<FutureTask<Void>> running = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            long seed = i;
            running.add(Async.start(() -> {
                use(values, new SplittableRandom(seed));
                return null;
            }));
        }
        for (FutureTask<Void> task : running) {
            task.get();
        }
        int expected = 0;
        for (Shared shared : all) {
            if (shared.isCommitted) {
                expected += shared.added.get();
            }
            shared.commands.close();
        }
        queue.await();
        assertThat(values.segment().get(JAVA_INT, 0)).isEqualTo(expected).isPositive();
        values.close();
    }

    private void use(MlxBuffer values, SplittableRandom random) throws InterruptedException {
        for (int round = 0; round < ROUNDS; round++) {
            Shared shared = current;
            try {
                step(shared, values, random.nextInt(MOST_COMMANDS));
            } catch (IllegalStateException e) {
                assertThat(e).hasMessageContainingAll("the command buffer").satisfies(SharedCommandBufferTest::isKnown);
            }
            if (random.nextInt(MOST_COMMANDS) == 0) {
                queue.await();
            }
        }
    }

    private static void isKnown(Throwable refusal) {
        assertThat(refusal.getMessage())
                .matches("the command buffer( is used by .* at this moment.*| is committed: .*| is closed: .*)");
    }

    private void step(Shared shared, MlxBuffer values, int choice) {
        MlxCommandBuffer commands = shared.commands;
        switch (choice) {
            case 0 -> {
                commands.commit();
                shared.isCommitted = true;
                replace();
            }
            case 1 -> {
                commands.close();
                replace();
            }
            case 2 -> commands.barrier();
            case 3 -> commands.concurrent(false);
            case 4 -> commands.scratch(DType.I32, 64).close();
            case 5 -> {
                try (MlxBuffer other = pool.alloc(DType.I32, 1)) {
                    commands.copy(values, other);
                }
            }
            default -> {
                commands.kernel(increment).buffer(0, values).dispatchThreads(1);
                shared.added.incrementAndGet();
            }
        }
    }

    @Test
    void aKernelCallIsOfTheThreadThatBeganIt() throws Exception {
        try (MlxBuffer values = zero();
                MlxCommandBuffer commands = queue.newCommandBuffer()) {
            KernelCall call = commands.kernel(increment);
            FutureTask<Void> other = Async.start(() -> {
                assertThatIllegalStateException()
                        .isThrownBy(() -> call.buffer(0, values))
                        .withMessageContaining("the kernel call is of the Thread[");
                commands.kernel(increment).buffer(0, values).dispatchThreads(1);
                return null;
            });
            other.get();
            call.buffer(0, values).dispatchThreads(1);
            commands.commit();
            commands.await();
            assertThat(values.segment().get(JAVA_INT, 0)).isEqualTo(2);
        }
    }
}
