package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Failures of compute, as a caller sees them. Needs a test build of the library. */
@Tag("faults")
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NeedsKernelCompiler
class ComputeFaultsTest {
    @RegisterExtension
    final LogRecords log = new LogRecords();

    private final MlxDevice device = open();
    private final MlxBufferPool pool =
            MlxBufferPool.builder(device).leakDetection(LeakDetection.OFF).build();
    private final MlxLibrary library = device.compile(Kernels.SOURCE);
    private final MlxKernel increment = library.kernel("increment");
    private final MlxCommandQueue queue = device.newCommandQueue();
    private final MlxBuffer values = pool.alloc(DType.I32, 16);

    private static MlxDevice open() {
        System.setProperty("mlx.leakDetection", "full");
        try {
            return MlxDevice.open();
        } finally {
            System.clearProperty("mlx.leakDetection");
        }
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        NativeFaults.clear();
        NativeFaults.holdQueues(false);
        queue.await();
        increment.close();
        library.close();
        queue.close();
        pool.reset();
        pool.close();
        device.close();
        LiveObjects.assertNoneLeft();
    }

    private MlxCommandBuffer encoded(String label) {
        MlxCommandBuffer commands = queue.newCommandBuffer(label);
        commands.kernel(increment).buffer(0, values).dispatchThreads(16);
        return commands;
    }

    @ParameterizedTest
    @CsvSource({"1, FAULT", "2, TIMEOUT", "3, OUT_OF_MEMORY", "4, OTHER"})
    void aCommandBufferThatFailsSaysWhyAndFreesItsMemory(int failure, CommandBufferException.Reason reason)
            throws Exception {
        NativeFaults.commandBufferFailure(failure);
        MlxCommandBuffer commands = encoded("step 7");
        MlxFence fence = commands.commit();
        values.close();
        fence.await();
        assertThat(fence.isComplete()).isTrue();
        assertThat(pool.stats().parkedCount()).isZero();
        CommandBufferException thrown = catchThrowableOfType(CommandBufferException.class, commands::await);
        assertThat(thrown.reason()).isEqualTo(reason);
        assertThat(thrown.label()).isEqualTo("step 7");
        assertThat(thrown.kernels()).containsExactly("increment");
        assertThat(thrown).hasMessageContainingAll("'step 7'", "increment", "" + reason);
        assertThat(commands.status()).isEqualTo(MlxCommandBuffer.Status.ERROR);
        assertThatExceptionOfType(CommandBufferException.class).isThrownBy(commands::await);
        NativeFaults.clear();
        MlxCommandBuffer next = queue.newCommandBuffer();
        next.commit();
        next.await();
    }

    @Test
    void aQueueThrowsTheFirstFailureOnce() throws Exception {
        NativeFaults.commandBufferFailure(1);
        encoded("first").commit();
        encoded("second").commit();
        assertThatExceptionOfType(CommandBufferException.class)
                .isThrownBy(queue::await)
                .withMessageContaining("'first'");
        queue.await();
    }

    @Test
    void aCommitThatTheDeviceRefusesCanBeRepeated() throws Exception {
        values.segment().fill((byte) 0);
        MlxCommandBuffer commands = encoded("again");
        NativeFaults.failCreate(1, 1);
        assertThatExceptionOfType(MlxException.class)
                .isThrownBy(commands::commit)
                .withMessageContaining("'again'");
        assertThat(commands.status()).isEqualTo(MlxCommandBuffer.Status.NOT_ENQUEUED);
        commands.commit();
        commands.await();
        assertThat(values.segment().get(JAVA_INT, 0)).isEqualTo(1);
    }

    @Test
    void everyCreationMayBeRefused() {
        for (int nth = 1; nth <= 2; nth++) {
            NativeFaults.failCreate(nth, 1);
            assertThatExceptionOfType(MlxException.class).isThrownBy(device::newCommandQueue);
        }
        NativeFaults.failCreate(1, 1);
        assertThatExceptionOfType(MlxException.class)
                .isThrownBy(() -> device.compile("kernel void nothing() {}"))
                .isNotInstanceOf(CompilationException.class);
        NativeFaults.failCreate(1, 1);
        assertThatExceptionOfType(MlxException.class).isThrownBy(() -> library.kernel("axpy"));
        library.kernel("axpy").close();
    }

    @Test
    void whatIsHeldBackIsInFlight() throws Exception {
        values.segment().fill((byte) 0);
        NativeFaults.holdQueues(true);
        MlxFence[] fences = new MlxFence[3];
        for (int i = 0; i < 3; i++) {
            fences[i] = encoded("held").commit();
        }
        for (MlxFence fence : fences) {
            assertThat(fence.isComplete()).isFalse();
        }
        NativeFaults.holdQueues(false);
        fences[2].await();
        assertThat(fences[0].isComplete()).isTrue();
        assertThat(values.segment().get(JAVA_INT, 0)).isEqualTo(3);
    }

    @Test
    void aKernelThatFaultsOnTheHostEndsItsCommandBufferAlone() throws Exception {
        if (device.backend() != Backend.HOST) {
            return;
        }
        String source = """
                kernel void wild(device int *p [[buffer(0)]], constant long &distance [[buffer(1)]]) {
                    p[distance] = 1;
                }
                """;
        try (MlxLibrary faulty = device.compile(source);
                MlxKernel wild = faulty.kernel("wild")) {
            MlxCommandBuffer commands = queue.newCommandBuffer("wild");
            commands.kernel(wild).buffer(0, values).constant(1, 1L << 44).dispatchThreads(1);
            commands.commit();
            CommandBufferException thrown = catchThrowableOfType(CommandBufferException.class, commands::await);
            assertThat(thrown.reason()).isEqualTo(CommandBufferException.Reason.FAULT);
            assertThat(thrown.kernels()).containsExactly("wild");
        }
        MlxCommandBuffer next = encoded("next");
        next.commit();
        next.await();
    }

    private static void collectUntil(BooleanSupplier condition) {
        Async.await(() -> {
            System.gc();
            return condition.getAsBoolean();
        });
    }

    private void dropEverything() {
        MlxLibrary dropped = device.compile("kernel void nothing() {}");
        dropped.kernel("nothing");
        MlxCommandQueue other = device.newCommandQueue();
        MlxCommandBuffer commands = other.newCommandBuffer();
        commands.kernel(increment).buffer(0, values).dispatchThreads(1);
        commands.scratch(DType.U8, 100);
        MlxBuffer held = pool.alloc(DType.U8, 5000);
        commands.fill(held, (byte) 1);
        held.close();
    }

    @Test
    void whatAProgramDropsIsClosed() {
        long before = NativeFaults.liveComputeObjects();
        dropEverything();
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
        collectUntil(() -> log.with("it was closed").size() == 4);
        assertThat(log.with("a command buffer became garbage")).hasSize(1);
        assertThat(log.with("a command queue became garbage")).hasSize(1);
        assertThat(log.with("a library of kernels became garbage")).hasSize(1);
        assertThat(log.with("the kernel 'nothing' became garbage")).hasSize(1);
        collectUntil(() -> NativeFaults.liveComputeObjects() == before);
        // The queue may be found before its command buffer, which then has scratch memory.
        log.with("was closed with 1 active buffer");
        assertThat(pool.stats().parkedCount()).isZero();
    }
}
