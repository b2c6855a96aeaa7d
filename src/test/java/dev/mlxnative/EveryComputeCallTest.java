package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Runs of compute. In each run, the device refuses another of the creations, and the program tries again. */
@Tag("faults")
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NeedsKernelCompiler
class EveryComputeCallTest {
    private static final int COUNT = 1000;
    private static final long FAR_AWAY = 10_000;

    @AfterEach
    void clear() {
        NativeFaults.clear();
    }

    @Test
    void whatTheDeviceRefusesLosesNothingAndSucceedsLater() throws Exception {
        long nth = 1;
        while (isRefused(nth)) {
            nth++;
        }
        // A library, two kernels, an event, a queue with its event, three buffers, and two command buffers.
        assertThat(nth).isGreaterThanOrEqualTo(11);
    }

    /** Makes the run with a fault from a creation on, until it has made a call fail; whether it has. */
    private static boolean isRefused(long nth) throws Exception {
        try (Run run = new Run()) {
            NativeFaults.failCreate(nth, FAR_AWAY);
            run.perform();
            assertThat(run.refusals).as("refusals from creation %d on", nth).isLessThanOrEqualTo(1);
            return run.refusals == 1;
        } finally {
            NativeFaults.clear();
            LiveObjects.assertNoneLeft();
        }
    }

    /** One run, whose calls are repeated if the device refuses them. */
    private static final class Run implements AutoCloseable {
        private final MlxDevice device = MlxDevice.open();
        private final List<AutoCloseable> opened = new ArrayList<>();
        private int refusals;

        void perform() throws Exception {
            MlxLibrary library = open(() -> device.compile(Kernels.SOURCE));
            MlxKernel increment = open(() -> library.kernel("increment"));
            MlxKernel scale =
                    open(() -> library.kernel("scale", MlxFunctionConstants.of().with(0, 3)));
            MlxSharedEvent event = open(device::newSharedEvent);
            MlxCommandQueue queue = open(device::newCommandQueue);
            MlxBufferPool pool = open(() -> MlxBufferPool.create(device));
            MlxBuffer values = open(() -> pool.alloc(DType.I32, COUNT));
            MlxBuffer copy = open(() -> device.allocBuffer(DType.I32, COUNT));
            values.segment().fill((byte) 0);

            MlxCommandBuffer first = queue.newCommandBuffer("first");
            MlxBuffer temporary = retried(() -> first.scratch(DType.I32, COUNT));
            first.kernel(increment).buffer(0, values).dispatchThreads(COUNT);
            first.copy(values, temporary);
            first.kernel(scale).buffer(0, temporary).dispatchThreads(COUNT);
            first.copy(temporary, copy);
            first.signal(event, 1);
            MlxFence fence = retried(first::commit);
            MlxCommandBuffer second = queue.newCommandBuffer();
            second.waitFor(event, 1);
            second.kernel(increment).buffer(0, copy).dispatchThreads(COUNT);
            retried(second::commit);
            fence.await();
            queue.await();
            assertThat(copy.segment().toArray(JAVA_INT)).containsOnly(4);
            requireThatARefusedSourceThrows();
        }

        /** What the compiler refuses leaves nothing either. */
        private void requireThatARefusedSourceThrows() {
            assertThatExceptionOfType(CompilationException.class)
                    .isThrownBy(() -> retried(() -> device.compile("kernel void bad() { undeclared; }")));
        }

        private <T extends AutoCloseable> T open(Callable<T> creation) throws Exception {
            T made = retried(creation);
            opened.add(made);
            return made;
        }

        private <T> T retried(Callable<T> creation) throws Exception {
            try {
                return creation.call();
            } catch (CompilationException e) {
                throw e;
            } catch (MlxException e) {
                assertThat(e).hasMessageContaining("memory");
                refusals++;
                NativeFaults.clear();
                return creation.call();
            }
        }

        @Override
        public void close() throws Exception {
            for (AutoCloseable object : opened.reversed()) {
                object.close();
            }
            device.close();
        }
    }
}
