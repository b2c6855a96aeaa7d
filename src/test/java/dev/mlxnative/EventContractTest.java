package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.mlxnative.internal.shim.Shim;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract of shared events, for every library that {@code mlx.shim.path} can name. */
@Tag("contract")
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class EventContractTest {
    private final MlxDevice device = MlxDevice.open();
    private final MlxSharedEvent event = device.newSharedEvent();

    @AfterEach
    void close() {
        event.close();
        device.close();
    }

    @Test
    void startsAtZeroAndRises() {
        assertThat(event.signaledValue()).isZero();
        assertThat(event.handle().address()).isNotZero();
        event.signal(5);
        event.signal(5);
        assertThat(event.signaledValue()).isEqualTo(5);
        assertThat(event).hasToString("MlxSharedEvent[5]");
        event.signal(Long.MAX_VALUE);
        assertThat(event.signaledValue()).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void neverFalls() {
        event.signal(5);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> event.signal(4))
                .withMessageContainingAll("it is 5", "become 4");
        assertThatIllegalArgumentException().isThrownBy(() -> event.signal(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> event.at(-1));
        assertThat(event.signaledValue()).isEqualTo(5);
    }

    @Test
    void fencesCompleteFromTheirValueOn() throws Exception {
        MlxFence third = event.at(3);
        assertThat(event.at(0).isComplete()).isTrue();
        assertThat(third.isComplete()).isFalse();
        event.signal(2);
        assertThat(third.isComplete()).isFalse();
        event.signal(4);
        assertThat(third.isComplete()).isTrue();
        third.await();
        assertThat(third).hasToString("MlxFence[at 3]");
        assertThat(event.at(5)).isSameAs(event.at(5)).isNotSameAs(third);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void awaitReturnsWhenAnotherThreadSignals(boolean virtual) throws Exception {
        MlxFence fence = event.at(1);
        CompletableFuture<String> waiter = onThread(virtual, await(fence));
        Thread.sleep(100);
        assertThat(waiter).isNotDone();
        event.signal(1);
        assertThat(waiter.get(10, TimeUnit.SECONDS)).isEqualTo("complete");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void awaitCanBeInterrupted(boolean virtual) throws Exception {
        MlxFence fence = event.at(1);
        CompletableFuture<Thread> started = new CompletableFuture<>();
        CompletableFuture<String> waiter = onThread(virtual, ignored -> {
            started.complete(Thread.currentThread());
            return await(fence).apply("");
        });
        started.get().interrupt();
        assertThat(waiter.get(10, TimeUnit.SECONDS)).isEqualTo("interrupted");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void awaitEndsWhenTheEventIsClosed(boolean virtual) throws Exception {
        MlxFence fence = event.at(1);
        CompletableFuture<String> waiter = onThread(virtual, await(fence));
        Thread.sleep(100);
        event.close();
        assertThat(waiter.get(10, TimeUnit.SECONDS)).isEqualTo("the event is closed");
    }

    private static Function<String, String> await(MlxFence fence) {
        return ignored -> {
            try {
                fence.await();
                return "complete";
            } catch (InterruptedException e) {
                return "interrupted";
            } catch (IllegalStateException e) {
                return e.getMessage();
            }
        };
    }

    private static CompletableFuture<String> onThread(boolean virtual, Function<String, String> task) {
        CompletableFuture<String> result = new CompletableFuture<>();
        (virtual ? Thread.ofVirtual() : Thread.ofPlatform()).start(() -> result.complete(task.apply("")));
        return result;
    }

    @Test
    void aClosedEventIsOver() {
        MlxFence fence = event.at(0);
        event.close();
        event.close();
        assertThatIllegalStateException().isThrownBy(event::signaledValue).withMessage("the event is closed");
        assertThatIllegalStateException().isThrownBy(() -> event.signal(1));
        assertThatIllegalStateException().isThrownBy(() -> event.at(1));
        assertThatIllegalStateException().isThrownBy(event::handle);
        assertThatIllegalStateException().isThrownBy(fence::isComplete);
        assertThatIllegalStateException().isThrownBy(fence::await);
        assertThat(event).hasToString("MlxSharedEvent[closed]");
    }

    @Test
    void parkedMemoryKeepsAClosedEventAlive() {
        try (MlxBufferPool pool = MlxBufferPool.create(device)) {
            MlxFence second = event.at(2);
            MemorySegment handle = event.handle();
            pool.release(pool.alloc(DType.U8, 1 << 16), event.at(1));
            event.signal(1);
            pool.release(pool.alloc(DType.U8, 1 << 17), second);
            event.close();
            assertThatIllegalStateException().isThrownBy(() -> event.signal(2));
            assertThat(pool.stats().parkedCount()).isEqualTo(1);
            assertThat(pool.stats().cachedCount()).isEqualTo(1);
            assertThat(second.isComplete()).isFalse();
            // Signals as a GPU does, which has its own reference to the event.
            Shim.signal(handle, 2);
            assertThat(pool.stats().parkedCount()).isZero();
            assertThatIllegalStateException().isThrownBy(second::isComplete);
        }
    }
}
