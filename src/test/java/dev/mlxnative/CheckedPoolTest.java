package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A checked pool: its segments and handles end with their lease. */
class CheckedPoolTest extends PowerOfTwoContract {
    @Override
    MlxBufferPool.Builder configure(MlxBufferPool.Builder builder) {
        return builder.checked(true);
    }

    @Test
    void everyStaleSegmentThrowsAtOnce() {
        MlxBuffer released = pool.alloc(DType.U8, 100);
        MlxBuffer closed = pool.alloc(DType.U8, 100);
        MlxBuffer reset = pool.alloc(DType.U8, 100);
        List<MemorySegment> segments = List.of(
                released.segment(),
                closed.slice(10, DType.U8, 10).segment(),
                reset.segment().asSlice(1, 5));
        List<MemorySegment> handles =
                List.of(released.handle(), closed.slice(10, DType.U8, 10).handle(), reset.handle());
        pool.release(released);
        closed.close();
        pool.reset();
        assertThat(handles).noneMatch(handle -> handle.scope().isAlive());
        for (MemorySegment stale : segments) {
            assertThatIllegalStateException().isThrownBy(() -> stale.get(JAVA_BYTE, 0));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void segmentsOfBuffersThatLeaveAScopeEarlyThrowToo(boolean confined) {
        try (MlxScope scope = confined ? pool.confinedScope() : pool.scope()) {
            MlxBuffer buffer = scope.alloc(DType.U8, 100);
            MemorySegment stale = buffer.segment();
            buffer.close();
            assertThatIllegalStateException().isThrownBy(() -> stale.get(JAVA_BYTE, 0));
        }
    }

    @Test
    void releasedMemoryIsFilledWithAPattern() {
        MlxBuffer buffer = pool.alloc(DType.U8, 100);
        buffer.segment().fill((byte) 5);
        buffer.close();
        MlxBuffer next = pool.alloc(DType.U8, 256);
        assertThat(next.segment().toArray(JAVA_BYTE)).containsOnly(0xA5);
        next.close();
    }

    @Test
    void parkedMemoryIsLeftAloneUntilItsFenceCompletes() {
        MlxBuffer buffer = pool.alloc(DType.U8, 100);
        buffer.segment().fill((byte) 5);
        MemorySegment memory = buffer.block().segment();
        pool.release(buffer, event.at(1));
        assertThat(memory.get(JAVA_BYTE, 0))
                .as("contents that the GPU still reads")
                .isEqualTo((byte) 5);
        event.signal(1);
        assertThat(pool.stats().parkedCount()).isZero();
        assertThat(memory.get(JAVA_BYTE, 0)).isEqualTo((byte) 0xA5);
    }

    @Test
    void aHandleInANativeCallKeepsTheLease() throws Exception {
        MlxBuffer buffer = pool.alloc(DType.U8, 100);
        try (BlockingCall call = BlockingCall.on(buffer.handle())) {
            assertThatIllegalStateException().isThrownBy(buffer::close);
            assertThat(buffer.isReleased()).isFalse();
        }
        buffer.close();
    }

    @Test
    void aBufferInANativeCallCannotBeReleased() throws Exception {
        MlxBuffer busy = pool.alloc(DType.U8, 100);
        MlxBuffer other = pool.alloc(DType.U8, 100);
        try (BlockingCall call = BlockingCall.on(busy.segment())) {
            assertThatIllegalStateException()
                    .isThrownBy(() -> pool.release(busy))
                    .withMessageContaining("native call");
            assertThatIllegalStateException().isThrownBy(busy::close);
            assertThatIllegalStateException().isThrownBy(pool::reset);
            assertThat(busy.isReleased()).isFalse();
            assertThat(other.isReleased()).isTrue();
            assertThat(pool.stats().activeCount()).isEqualTo(1);
        }
        busy.segment().fill((byte) 1);
        busy.close();
        assertThat(pool.freeBytes()).isEqualTo(pool.stats().footprintBytes());
    }
}
